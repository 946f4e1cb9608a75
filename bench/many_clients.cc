/// G8: many clients calling one server. The clients are bytes over plain sockets, the same for
/// tincan and for its twin: limits/many_clients.cc. The argument is their number.

#include <cstring>
#include <string>

#include "echo_server.h"
#include "harness/load.h"
#include "harness/sizes.h"
#include "harness/worker.h"

namespace {

template <class Value>
void append(std::string& text, Value value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  text.append(bytes, sizeof bytes);
}

void append_header(std::string& text, std::size_t body_bytes, std::uint8_t kind, std::uint64_t id) {
  append(text, static_cast<std::uint32_t>(body_bytes));
  append(text, kind);
  append(text, std::uint8_t{0});
  append(text, std::uint16_t{0});
  append(text, id);
}

template <class Value>
void append_field(std::string& text, std::uint8_t tag, Value value) {
  append(text, tag);
  append(text, static_cast<std::uint8_t>(sizeof value));
  append(text, value);
}

/// HELLO, as docs/wire-format.md has it, of a client that takes no loans.
std::string hello() {
  std::string fields;
  append_field(fields, 1, std::uint32_t{1 << 16 | 1});
  append_field(fields, 2, std::uint64_t{1 << 20});
  append_field(fields, 3, std::uint32_t{1024});
  append_field(fields, 4, std::uint32_t{0});
  append_field(fields, 5, std::uint64_t{0});
  append_field(fields, 6, std::int64_t{0});
  std::string text = "TINCAN/1 HELLO\r\n";
  append_header(text, fields.size(), 1, 0);
  return text + fields;
}

/// A call of "echo" whose deadline never comes.
std::string call() {
  std::string fields;
  append(fields, std::uint16_t{16});
  append(fields, std::uint16_t{4 << 8 | 1});
  fields += "echo";
  append_field(fields, 3, INT64_MAX / 2);
  std::string text;
  append_header(text, fields.size() + bench::payload_bytes, 2, 0);
  return text + fields + std::string(bench::payload_bytes, 'x');
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const bench::SocketPath socket;
  const bench::ServerProcess server(
      task.placement, [&](const auto& ready) { bench::run_echo_server(socket.path(), ready); });
  const std::string request = call();
  bench::require(request.size() == bench::request_bytes, "sizes.h: request_bytes");
  bench::Load load(socket.path(), task.number(),
                   {.client_greeting = hello(),
                    .server_greeting_bytes = bench::greeting_bytes,
                    .request = request,
                    .id_offset = 8,
                    .id_first = 1 << 16,  // the first call, in slot 0
                    .id_step = 1 << 16,
                    .reply_bytes = bench::reply_bytes});
  bench::run_rounds(
      server, [&](std::size_t calls, bench::Samples& samples) { load.round(calls, samples); });
}
