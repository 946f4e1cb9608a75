/// G7: a payload that is handed over in a call, one way until the handler has it. The first
/// argument behind the placement says what: "view 1024", a shared view of 1,024 MiB that was lent
/// before; "first 1024", one that was not; "immutable 1024", until it is answered. Twin:
/// limits/handover.cc.

#include <tincan/tincan.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "harness/handover.h"
#include "harness/worker.h"
#include "ways/shared.h"

namespace {

void serve(const std::string& path, bench::Arrival& arrival, const std::function<void()>& ready) {
  tincan::ServerOptions options;
  options.shared_views_from = tincan::AllowList();
  auto server = tincan::or_exit(tincan::Server::listen(path, options));
  server.on("take", [&](tincan::Request request) {
    arrival.time = bench::now();
    bench::require(request.payload()[arrival.bytes - 1] == std::byte{1}, "the last byte");
    request.reply();
  });
  ready();
  tincan::or_exit(server.run());
  _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const bench::HandoverTask what(task.argument);
  const bench::SocketPath socket;
  const bench::Shared<bench::Arrival> arrival;
  arrival->bytes = what.bytes;
  const bench::ServerProcess server(
      task.placement, [&](const auto& ready) { serve(socket.path(), *arrival, ready); });
  const auto connect = [&] { return tincan::or_exit(tincan::Client::connect(socket.path())); };
  auto client = connect();
  const tincan::CallOptions options{.deadline = std::chrono::seconds(60)};
  const auto kind = what.immutable ? tincan::Handover::immutable : tincan::Handover::shared_view;
  bench::run_rounds(server, [&](std::size_t calls, bench::Samples& samples) {
    for (std::size_t i = 0; i < calls; ++i) {
      if (what.first_time) client = connect();  // what one connection had is not lent to another
      // Built in place, which is not what is measured.
      tincan::Loan loan = tincan::or_exit(client.loan(what.bytes, kind));
      loan.bytes()[what.bytes - 1] = std::byte{1};
      const std::int64_t start = bench::now();
      tincan::or_exit(client.call("take", loan, options));
      samples.add(what.immutable ? bench::now() - start : arrival->time - start);
      // Freed here, as in the twin, by whichever side has it last.
    }
  });
}
