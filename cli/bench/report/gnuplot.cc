#include "bench/report/gnuplot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "bench/report/html.h"
#include "output.h"
#include "tincan/descriptor.h"

namespace cli {

namespace {

/// In blue, so that ink and grid, which have a red, are none of them.
constexpr int first_colour_in_script = 16;

/// Not a pipe: neither side ever waits for the other to read or write, and none ends of SIGPIPE.
tincan::Descriptor memory_for_gnuplot(const char* name) {
  tincan::Descriptor file(::memfd_create(name, MFD_CLOEXEC));
  if (file.get() < 0) throw std::system_error(errno, std::generic_category(), "memfd_create");
  return file;
}

std::string read_whole(int file) {
  std::string text;
  std::array<char, 65536> room;
  ssize_t count = 0;
  while ((count = ::pread(file, room.data(), room.size(), static_cast<off_t>(text.size()))) > 0) {
    text.append(room.data(), static_cast<std::size_t>(count));
  }
  return text;
}

/// Returns once it has ended, with what waitpid(2) says.
int run_gnuplot(int in, int out, int errors) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  // -d: nobody's ~/.gnuplot has a say.
  std::string program = "gnuplot";
  std::string no_settings = "-d";
  std::array<char*, 3> arguments = {program.data(), no_settings.data(), nullptr};
  pid_t pid = -1;
  const int failure = ::posix_spawnp(&pid, "gnuplot", &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure == ENOENT) {
    throw std::runtime_error(
        "gnuplot is missing, which draws the plots of the report: install the package gnuplot-nox");
  }
  if (failure != 0) throw std::system_error(failure, std::generic_category(), "gnuplot");
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "waitpid");
  }
  return status;
}

/// The colour of the style sheet that "  1,   1,   1" stands for.
std::string colour_of_sheet(std::string_view numbers) {
  const int red = std::stoi(std::string(numbers));
  if (red == 1) return "var(--ink)";
  if (red == 2) return "var(--grid)";
  const int blue = std::stoi(std::string(numbers.substr(numbers.rfind(',') + 1)));
  return fmt::format("var(--s{})", blue - first_colour_in_script);
}

/// Only where a quote stands in front: a quote in a name has been escaped.
std::string in_colours_of_sheet(std::string_view svg) {
  static constexpr std::string_view begin = "rgb(";
  std::string coloured;
  std::size_t copied = 0;
  for (std::size_t at = svg.find(begin); at != std::string::npos; at = svg.find(begin, at + 1)) {
    const std::size_t end = svg.find(')', at);
    if (end == std::string::npos || at == 0 || (svg[at - 1] != '"' && svg[at - 1] != '\''))
      continue;
    coloured += svg.substr(copied, at - copied);
    coloured += colour_of_sheet(svg.substr(at + begin.size(), end - at - begin.size()));
    copied = end + 1;
  }
  coloured += svg.substr(copied);
  return coloured;
}

void remove_between(std::string& text, std::string_view begin, std::string_view end) {
  std::size_t from = 0;
  while ((from = text.find(begin, from)) != std::string::npos) {
    const std::size_t to = text.find(end, from + begin.size());
    if (to == std::string::npos) return;
    text.erase(from, to + end.size() - from);
  }
}

void replace_each(std::string& text, std::string_view what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

}  // namespace

std::string drawn_by_gnuplot(const std::string& script) {
  const tincan::Descriptor in = memory_for_gnuplot("script");
  const tincan::Descriptor out = memory_for_gnuplot("drawing");
  const tincan::Descriptor errors = memory_for_gnuplot("errors");
  const int written = write_all(in.get(), script);
  if (written != 0) throw std::system_error(written, std::generic_category(), "memory file");
  if (::lseek(in.get(), 0, SEEK_SET) != 0) {
    throw std::system_error(errno, std::generic_category(), "lseek");
  }
  const int status = run_gnuplot(in.get(), out.get(), errors.get());
  std::string svg = read_whole(out.get());
  if (status != 0 || svg.find("</svg>") == std::string::npos) {
    throw std::runtime_error(fmt::format("gnuplot cannot draw a plot of the report, status {}: {}",
                                         status, read_whole(errors.get()).substr(0, 400)));
  }
  return svg;
}

std::string colour_in_script(int of_style_sheet) {
  return fmt::format("#0000{:02x}", of_style_sheet + first_colour_in_script);
}

std::string part_of_page(const std::string& svg, const Picture& picture) {
  std::string inside = svg.substr(svg.find('>', svg.find("<svg")) + 1);
  remove_between(inside, "<title>Gnuplot", "</title>");
  remove_between(inside, "<desc>", "</desc>");
  remove_between(inside, "<filter", "</filter>");
  inside = in_colours_of_sheet(inside);
  remove_between(inside, " font-family=\"", "\"");
  // Names hold on the whole page, which has many plots.
  replace_each(inside, " id='", " id='" + picture.name + "-");
  replace_each(inside, " id=\"", " id=\"" + picture.name + "-");
  replace_each(inside, "xlink:href='#", "href='#" + picture.name + "-");
  return fmt::format(R"(<svg class="plot {}" viewBox="0 0 {} {}" role="img" aria-label="{}">)",
                     picture.style, picture.width, picture.height, html(picture.label)) +
         inside;
}

}  // namespace cli
