// A peer as those in bench/peers are, for peer_test.cc: nothing is inherited by its two sides.

#include "trial/peer.h"

#include "ways/socket_ends.h"
#include "ways/unix_address.h"

namespace {

using bench::demand;
using bench::Descriptor;
using bench::opened;

class PeerWay final : public bench::Way {
 public:
  void serve(const std::function<void()>& ready) override {
    const Descriptor listener = opened(::socket(AF_UNIX, SOCK_STREAM, 0), "socket");
    const sockaddr_un name = bench::unix_address(path("server"));
    demand(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0,
           "bind");
    demand(::listen(listener.get(), 1) == 0, "listen");
    ready();
    bench::SocketEnd end(opened(::accept(listener.get(), nullptr, nullptr), "accept"), task(),
                         true);
    serve_all(end, task());
  }
  std::unique_ptr<bench::Caller> connect(unsigned) override {
    Descriptor socket = opened(::socket(AF_UNIX, SOCK_STREAM, 0), "socket");
    const sockaddr_un name = bench::unix_address(path("server"));
    demand(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0,
           "connect");
    return std::make_unique<bench::EndCaller>(
        std::make_unique<bench::SocketEnd>(std::move(socket), task(), true));
  }
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_peer(argc, argv,
                         {.name = "a peer",
                          .does = "a Unix socket, in a program of its own",
                          .works = {bench::Work::round_trip, bench::Work::one_way},
                          .make = [] { return std::make_unique<PeerWay>(); }});
}
