#include "bench/report/machine.h"

#include <fmt/format.h>

#include "bench/report/html.h"

namespace cli {

namespace {

std::string machine_line(const char* what, const std::string& value) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", what,
                     value.empty() ? "unknown" : html(value));
}

}  // namespace

std::string warnings_of(const Results& results) {
  std::string list;
  for (const Json& warning : list_in(results.machine(), "warnings")) {
    if (warning.is_string()) list += fmt::format("<li>{}</li>\n", html(warning.get<std::string>()));
  }
  if (list.empty()) return {};
  return "<aside class=\"warnings\" role=\"note\"><h2>Before you trust these numbers</h2>\n<ul>\n" +
         list + "</ul></aside>\n";
}

std::string machine_of(const Results& results) {
  const Json& machine = results.machine();
  const auto cpus = number_in(machine, "cpus");
  const auto memory = number_in(machine, "memory_bytes");
  const auto load = number_in(machine, "load");
  const std::string virtual_kind = text_in(machine, "virtual");
  return "<dl class=\"machine\">\n" + machine_line("CPU", text_in(machine, "cpu")) +
         machine_line("CPUs that it may use", cpus ? fmt::format("{:g}", *cpus) : "") +
         machine_line("Kernel", text_in(machine, "kernel")) +
         machine_line("Memory", memory ? bytes_text(*memory) : "") +
         machine_line("Mitigations", text_in(machine, "mitigations")) +
         machine_line("Frequency governor", text_in(machine, "governor")) +
         machine_line("Virtual",
                      virtual_kind.empty() ? "no, as far as can be told" : virtual_kind) +
         machine_line("Load before", load ? fmt::format("{:.2g}", *load) : "") + "</dl>\n";
}

std::string origin_of(const Results& results) {
  const std::string date = text_in(results.json(), "date");
  return fmt::format("<p class=\"when\">Measured by tincan {} on {}; {}, Linux {}.</p>\n",
                     html(text_in(results.json(), "tincan")), html(date.substr(0, 10)),
                     html(text_in(results.machine(), "cpu")),
                     html(text_in(results.machine(), "kernel")));
}

std::string commands_of(const Results& results) {
  const std::string command = text_in(results.json(), "command");
  if (command.empty()) return {};
  return "<p>The same again, on this machine or on yours:</p>\n<pre>" + html(command) + "</pre>\n";
}

}  // namespace cli
