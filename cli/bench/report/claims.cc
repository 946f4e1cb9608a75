#include <fmt/format.h>

#include <array>

#include "bench/report/html.h"
#include "bench/report/phrases.h"
#include "bench/report/words.h"

namespace cli {

namespace {

/// What stands in the README of IPC-Bench, for messages of a kilobyte.
struct IpcBenchRow {
  const char* name;
  const char* per_second;
  const char* way;  ///< That of ours which does the same, or is nearest to it.
};

constexpr std::array<IpcBenchRow, 8> ipc_bench_rows = {
    {{"zeromq", "22,679", "ZeroMQ"},
     {"Internet sockets (TCP)", "67,901", "TCP, IPv4"},
     {"Domain sockets", "127,582", "unix stream"},
     {"Pipes", "155,404", "pipe"},
     {"Message Queues", "213,796", "System V queue"},
     {"FIFOs (named pipes)", "254,880", "FIFO"},
     {"Shared Memory", "1,659,291", "memory, spinning"},
     {"Memory-Mapped Files", "1,701,759", "mapped file"}}};

constexpr const char* what_it_measures =
    "<p>The article that tincan began with says that Unix domain sockets carry 127,582 messages of "
    "1 KB a second, that named pipes are faster, and that sockets beat TCP and UDP on loopback. "
    "Its "
    "figures are those of <a href=\"https://github.com/goldsborough/ipc-bench\">IPC-Bench</a>, "
    "from "
    "an Intel Core i5-4590S under Ubuntu 20.04. There a “message” is one there <em>and</em> one "
    "back, and the next is sent when the answer has come: a round trip is counted as one message, "
    "and the rate is nothing but the inverse of a latency. It reports neither percentiles nor "
    "CPU time, and not where the processes ran: they are not pinned. Another machine gives "
    "other "
    "numbers; what can be compared is their order, and what is behind them.</p>\n";

/// Free, as IPC-Bench leaves it, if that was measured.
const Json* table_like_theirs(const Results& results) {
  const Json* free = results.table("round trip", 1024, "free");
  return free != nullptr ? free : results.main_table();
}

std::string comparison_table(const Json& table) {
  std::string rows;
  for (const IpcBenchRow& theirs : ipc_bench_rows) {
    const std::string way = theirs.way;
    const auto median = median_words(&table, way);
    rows += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"name\">{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td></tr>\n",
        theirs.name, theirs.per_second, html(way), rate_words(&table, way).value_or("–"),
        median.value_or("–"), cpu_words(&table, way).value_or("–"));
  }
  return fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"IPC-Bench and this run\">"
      "<table><thead><tr><th scope=\"col\">IPC-Bench</th><th scope=\"col\">a second, there</th>"
      "<th scope=\"col\" class=\"name\">here</th><th scope=\"col\">round trips a second</th>"
      "<th scope=\"col\">median</th><th scope=\"col\">CPU, both sides</th></tr></thead><tbody>\n{}"
      "</tbody></table></div>\n<p class=\"note\">Here: 1 KiB, {}.</p>\n",
      rows, placement_words(table));
}

std::string claim(std::string_view words, const std::string& answer) {
  return answer.empty() ? std::string()
                        : fmt::format("<h3>“{}”</h3>\n{}", words, paragraph(answer));
}

std::string answer_on_rate(const Results& results, const Json* table) {
  const auto rate = rate_words(table, "unix stream");
  const auto median = median_words(table, "unix stream");
  if (!rate || !median) return {};
  std::string text =
      fmt::format("Here it is {} round trips a second, each of {} in the median", *rate, *median);
  if (const auto tail = time_of(table, "unix stream", "p99")) {
    text += fmt::format("; one in a hundred takes longer than {}", time_text(*tail));
  }
  if (const auto cpu = cpu_words(table, "unix stream")) {
    text += fmt::format(". Each costs {} of CPU time", *cpu);
  }
  text += ". ";
  if (const auto one_way = rate_words(results.table("one way", 1024), "unix stream")) {
    text += fmt::format(
        "Messages that nobody answers go at {} a second, which is what “messages a "
        "second” would suggest. ",
        *one_way);
  }
  const auto apart = rate_words(results.table("round trip", 1024, "different CPUs"), "unix stream");
  const auto together = rate_words(results.table("round trip", 1024, "one CPU"), "unix stream");
  if (apart && together) {
    text += fmt::format(
        "Where they run decides as well: {} a second with each process on its own "
        "CPU, and {} with both on one. ",
        *apart, *together);
  }
  return text;
}

std::string answer_on_pipes(const Results& results, const Json* table) {
  const bool named = row_of(table, "FIFO") != nullptr;
  const char* way = named ? "FIFO" : "pipe";
  const auto comparison = compare(table, way, "unix stream");
  const auto median = median_words(table, way);
  const auto other = median_words(table, "unix stream");
  if (!comparison || !median || !other) return {};
  const char* verdict = "Here they are even";
  if (comparison->verdict == Comparison::faster) verdict = "They are here, too";
  if (comparison->verdict == Comparison::slower) verdict = "Not here";
  std::string text =
      fmt::format("{}, with a message of 1 KiB there and back: {} ({} and {}). ", verdict,
                  compared_words(*comparison, named ? "a FIFO" : "a pipe", "a Unix stream socket"),
                  *median, *other);
  if (const auto sizes = sizes_words(results, "round trip", way, "unix stream"); !sizes.empty()) {
    text += "By size: " + sizes + ". ";
  }
  text +=
      "What the claim does not say: in the sources of IPC-Bench (<code>source/fifo</code>, "
      "<code>source/pipe</code>) the message goes through the pipe in one direction only, and the "
      "answer is a signal without a byte in it, while for sockets a whole message comes back. ";
  if (const auto same = compare(table, "FIFO", "pipe")) {
    text += fmt::format(
        "Also, its FIFOs make 64\u00a0% more messages a second than its pipes, "
        "though the two programs make the same calls, and the kernel runs the same "
        "code for both; here {}. That its processes are not pinned is the likeliest "
        "reason. ",
        compared_words(*same, "a FIFO", "a pipe"));
  }
  return text;
}

std::string answer_on_loopback(const Json* table) {
  std::string text;
  int faster = 0;
  int compared = 0;
  const auto say = [&](const char* way, const char* name, const char* other,
                       const char* other_name) {
    if (const auto comparison = compare(table, way, other)) {
      text += sentence(compared_words(*comparison, name, other_name));
      ++compared;
      if (comparison->verdict == Comparison::faster) ++faster;
    }
  };
  say("unix stream", "a Unix stream socket", "TCP, IPv4", "TCP on 127.0.0.1");
  say("unix stream", "a Unix stream socket", "TCP, IPv6", "TCP on ::1");
  say("unix datagram", "a Unix datagram socket", "UDP, IPv4", "UDP on 127.0.0.1");
  if (text.empty()) return text;
  const char* mixed = faster == 0 ? "Not here. " : "Not all of them here. ";
  text.insert(0, faster == compared ? "They do here, too. " : mixed);
  const auto cpu = cpu_words(table, "unix stream");
  const auto tcp_cpu = cpu_words(table, "TCP, IPv4");
  if (cpu && tcp_cpu) {
    text += fmt::format(
        "What the claim does not say is what it costs: {} of CPU time for a round "
        "trip over the Unix socket, and {} over TCP. ",
        *cpu, *tcp_cpu);
  }
  return text;
}

std::string answer_on_memory(const Json* table) {
  const auto rate = rate_words(table, "memory, spinning");
  const auto cpu = cpu_words(table, "memory, spinning");
  if (!rate || !cpu) return {};
  std::string text =
      fmt::format("Here it is {} round trips a second while both sides spin. ", *rate);
  if (const auto comparison = compare(table, "memory, spinning", "unix stream")) {
    text += sentence(compared_words(*comparison, "a ring that spins", "a Unix stream socket"));
  }
  text += fmt::format(
      "What the claim does not say: it burns a CPU on each side, {} of CPU time for "
      "a round trip and as much in a pause as in work. ",
      *cpu);
  const auto sleeping = compare(table, "memory, futex", "unix stream");
  if (sleeping) {
    text += fmt::format("When who waits sleeps, {}{}. ",
                        compared_words(*sleeping, "the same ring", "a Unix stream socket"),
                        sleeping->verdict == Comparison::faster && sleeping->times >= 2
                            ? ""
                            : ": what is quick about it is the spinning, not the memory");
  }
  return text;
}

}  // namespace

std::string claims_of(const Results& results) {
  const Json* table = table_like_theirs(results);
  if (table == nullptr) return {};
  return what_it_measures + comparison_table(*table) +
         claim("Unix domain sockets carry 127,582 messages of 1 KB a second",
               answer_on_rate(results, table)) +
         claim("Named pipes are faster", answer_on_pipes(results, table)) +
         claim("Sockets beat TCP and UDP on loopback", answer_on_loopback(table)) +
         claim("Shared memory carries 1,659,291", answer_on_memory(table));
}

}  // namespace cli
