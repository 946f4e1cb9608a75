#include "bench/report/words.h"

#include <fmt/format.h>

#include "bench/report/html.h"
#include "bench/report/phrases.h"

namespace cli {

namespace {

/// "Both make 4 system calls and 2 context switches", when it is so.
std::string same_calls_words(const Json* table, const char* way, const char* other) {
  const Json* row = row_of(table, way);
  const Json* against = row_of(table, other);
  if (row == nullptr || against == nullptr) return {};
  const auto calls = number_in(*row, "system_calls");
  const auto other_calls = number_in(*against, "system_calls");
  if (!calls || !other_calls || *calls < *other_calls * 0.9 || *calls > *other_calls * 1.1) {
    return {};
  }
  return sentence(
      fmt::format("both make {:.2g} system calls a round trip, so what differs is what "
                  "the kernel does in them",
                  *calls));
}

std::string cpu_difference(const Json* table, const char* way, const char* other, const char* name,
                           const char* other_name) {
  const Json* row = row_of(table, way);
  const Json* against = row_of(table, other);
  if (row == nullptr || against == nullptr) return {};
  const auto cpu = cpu_in(*row);
  const auto other_cpu = cpu_in(*against);
  if (!cpu || !other_cpu) return {};
  return sentence(fmt::format("in CPU time of both sides {} pays {} and {} {}", name,
                              time_text(*cpu), other_name, time_text(*other_cpu)));
}

std::string tcp_section(const Results& results) {
  const Json* table = results.main_table();
  const auto comparison = compare(table, "unix stream", "TCP, IPv4");
  const auto unix_median = median_words(table, "unix stream");
  const auto tcp_median = median_words(table, "TCP, IPv4");
  if (!comparison || !unix_median || !tcp_median) return {};
  std::string text = sentence(fmt::format(
      "a round trip of 1 KiB takes {} over a Unix stream socket and {} over TCP on 127.0.0.1, {}",
      *unix_median, *tcp_median, placement_words(*table)));
  text += sentence(compared_words(*comparison, "the Unix socket", "TCP"));
  text += cpu_difference(table, "unix stream", "TCP, IPv4", "the Unix socket", "TCP");
  text += same_calls_words(table, "unix stream", "TCP, IPv4");
  const std::string protocol =
      "Over TCP a message to the same machine still goes through the protocol: segments with "
      "sequence numbers and acknowledgements, congestion control and its timers, routing, the "
      "packet filter, and the loopback device, which hands each segment to a soft interrupt before "
      "it comes to the other socket. A Unix socket appends the message to the queue of the "
      "receiver and wakes it.";
  if (comparison->verdict == Comparison::faster) {
    return section("Why Unix sockets beat TCP on loopback", paragraph(text + protocol));
  }
  return section(
      comparison->verdict == Comparison::same
          ? "Unix sockets and TCP on loopback: no difference here"
          : "TCP on loopback was faster than Unix sockets here",
      paragraph(text + protocol +
                " In these rounds that did not cost what one expects of it; the machine, "
                "below, may say why."));
}

std::string tcp_sizes(const Results& results) {
  std::string text;
  if (const auto words = sizes_words(results, "round trip", "unix stream", "TCP, IPv4");
      !words.empty()) {
    text += "Unix stream beside TCP by the size of a round trip: " + words + ". ";
  }
  if (const auto words = sizes_words(results, "one way", "unix stream", "TCP, IPv4");
      !words.empty()) {
    text += "One way: " + words + ". ";
  }
  if (const auto datagrams = compare(results.main_table(), "unix datagram", "UDP, IPv4")) {
    text += sentence(compared_words(*datagrams, "in datagrams, a Unix socket", "UDP"));
  }
  return paragraph(text);
}

bool is_faster_at_smallest(const Results& results, const char* way, const char* other) {
  const auto is_faster = [&](const char* work) {
    const auto tables = results.by_size(work);
    const auto comparison = compare(tables.empty() ? nullptr : tables.front(), way, other);
    return comparison && comparison->verdict == Comparison::faster;
  };
  return is_faster("round trip") || is_faster("one way");
}

std::string pipe_section(const Results& results) {
  const std::string there_and_back = sizes_words(results, "round trip", "pipe", "unix stream");
  const std::string one_way = sizes_words(results, "one way", "pipe", "unix stream");
  if (there_and_back.empty() && one_way.empty()) return {};
  std::string text;
  if (!there_and_back.empty()) {
    text += "A pair of pipes beside a Unix stream socket, there and back: " + there_and_back + ". ";
  }
  if (!one_way.empty()) text += "One way: " + one_way + ". ";
  text += cpu_difference(results.main_table(), "pipe", "unix stream", "a pipe", "the Unix socket");
  const bool faster = is_faster_somewhere(results, "round trip", "pipe", "unix stream") ||
                      is_faster_somewhere(results, "one way", "pipe", "unix stream");
  std::string why =
      "A pipe has less to do for a message: it copies the bytes into pages that it keeps, under "
      "one "
      "lock, and wakes whoever reads. A socket allocates a buffer for each message, charges it to "
      "the sender, notes the sender's credentials, and gives it back afterwards. ";
  if (!faster) why += "In these rounds that has gained nothing. ";
  if (is_faster_at_smallest(results, "pipe", "unix stream")) {
    why += "That is what small messages gain. ";
  }
  why +=
      "A pipe holds 64 KiB unless it is asked to hold more, so that larger messages go in parts, "
      "each of which may cost a wake-up. And it is less: one direction, no connections, so that "
      "messages of two writers longer than PIPE_BUF, 4 KiB, mingle; it does not say who is on the "
      "other end, "
      "and passes no descriptors.";
  return section(
      faster ? "Where pipes beat Unix sockets, and why" : "Pipes did not beat Unix sockets here",
      paragraph(text) + paragraph(why));
}

std::string busy_words(const Results& results, const Json& calm) {
  for (const Json& table : results.tables()) {
    if (text_in(table, "work") != "round trip" || text_in(table, "beside").empty()) continue;
    if (number_in(table, "bytes") != number_in(calm, "bytes")) continue;
    if (text_in(table, "placement") != text_in(calm, "placement")) continue;
    const auto busy_tail = time_of(&table, "unix stream", "p99");
    const auto quiet_tail = time_of(&calm, "unix stream", "p99");
    if (!busy_tail || !quiet_tail) continue;
    return sentence(fmt::format(
        "beside {}, one round trip in a hundred over the Unix socket takes longer than {}; "
        "otherwise that mark lies at {}{}",
        html(text_in(table, "beside")), time_text(*busy_tail), time_text(*quiet_tail),
        *busy_tail > *quiet_tail * 1.1 ? ": who is woken may have to wait for a turn" : ""));
  }
  return {};
}

std::string rate_change_words(const Results& results, const Json& calm) {
  for (const Json& table : results.tables()) {
    const auto rate = number_in(table, "rate");
    if (text_in(table, "work") != "round trip" || !rate) continue;
    if (number_in(table, "bytes") != number_in(calm, "bytes")) continue;
    if (text_in(table, "placement") != text_in(calm, "placement")) continue;
    const auto paced = time_of(&table, "unix stream", "p50");
    const auto hurried = time_of(&calm, "unix stream", "p50");
    if (!paced || !hurried) continue;
    return sentence(fmt::format(
        "at {} round trips a second and no more, the median over the Unix socket is {}, and {} "
        "when "
        "one follows the other{}",
        count_text(*rate), time_text(*paced), time_text(*hurried),
        *paced > *hurried * 1.1
            ? ": a CPU that has a pause may go to sleep, and takes a while to wake"
            : ""));
  }
  return {};
}

std::string wake_up_section(const Results& results) {
  const Json* table = results.main_table();
  const auto quick = time_of(table, "memory, spinning", "p50");
  const auto slow = time_of(table, "memory, futex", "p50");
  if (!quick || !slow) return {};
  std::string text = fmt::format(
      "The same ring in shared memory answers after {} when both sides spin and after {} when who "
      "waits sleeps (futex(2)), {}. ",
      time_text(*quick), time_text(*slow), placement_words(*table));
  if (*slow > *quick) {
    text += fmt::format("A round trip has two wake-ups, so one costs about {}. ",
                        time_text((*slow - *quick) / 2));
    const auto whole = time_of(table, "unix stream", "p50");
    if (whole && *whole > *slow - *quick) {
      text += fmt::format(
          "Of the {} of a Unix stream socket that is {:.0f}\u00a0%: for small "
          "messages, what carries them matters less than whether somebody has to be "
          "woken. ",
          time_text(*whole), (*slow - *quick) / *whole * 100);
    }
  } else {
    text += "Here sleeping did not cost more than spinning. ";
  }
  if (!text_in(results.machine(), "virtual").empty()) {
    text +=
        "In a virtual machine waking a CPU that sleeps may take a trip to the hypervisor; on the "
        "bare machine it tends to cost less. ";
  }
  return section("What a wake-up costs",
                 paragraph(text) +
                     paragraph(rate_change_words(results, *table) + busy_words(results, *table)));
}

std::string spinning_section(const Results& results) {
  const Json* table = results.main_table();
  const Json* row = row_of(table, "memory, spinning");
  if (row == nullptr) return {};
  const auto cpu = cpu_in(*row);
  const auto rate = number_in(*row, "per_second", "median");
  if (!cpu || !rate || *rate <= 0) return {};
  std::string text =
      sentence(fmt::format("two sides that spin took {:.0f}\u00a0% of a CPU together, for as long "
                           "as they ran, whether or "
                           "not a message came",
                           *cpu * *rate / 1e7));
  const Json* together = results.table("round trip", 1024, "one CPU");
  const auto one = time_of(together, "memory, spinning", "p50");
  const auto two = number_in(*row, "time", "p50");
  if (one && two && text_in(*table, "placement") != "one CPU") {
    text += sentence(fmt::format(
        "with one CPU between them a round trip takes {} in place of {}{}", time_text(*one),
        time_text(*two),
        *one > *two * 10 ? ": each spins through its turn until the kernel ends it" : ""));
  }
  return section("What spinning costs", paragraph(text));
}

std::string placement_line(const Json* apart, const Json* together, const char* way,
                           const char* name) {
  const auto two = median_words(apart, way);
  const auto one = median_words(together, way);
  if (!two || !one) return {};
  return fmt::format("<li>{}: {} on two CPUs, {} on one</li>\n", name, *two, *one);
}

std::string placement_section(const Results& results) {
  const Json* apart = results.table("round trip", 1024, "different CPUs");
  const Json* together = results.table("round trip", 1024, "one CPU");
  std::string lines =
      placement_line(apart, together, "unix stream", "Unix stream") +
      placement_line(apart, together, "pipe", "pipe") +
      placement_line(apart, together, "TCP, IPv4", "TCP") +
      placement_line(apart, together, "memory, looking", "memory that looks, then sleeps") +
      placement_line(apart, together, "tincan", "tincan");
  if (lines.empty()) return {};
  return section(
      "One CPU or two",
      paragraph("Where the two processes run is part of the result. A benchmark that leaves it "
                "to the scheduler measures a mixture of both columns, and another one "
                "the next time. Medians of a round trip of 1 KiB:") +
          "<ul>\n" + lines + "</ul>\n");
}

}  // namespace

std::string words_of(const Results& results) {
  const std::string tcp = tcp_section(results);
  return tcp + (tcp.empty() ? "" : tcp_sizes(results)) + pipe_section(results) +
         wake_up_section(results) + spinning_section(results) + placement_section(results);
}

}  // namespace cli
