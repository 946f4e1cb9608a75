// Cap'n Proto RPC over unix:, with its EzRpc classes: each client asks for an object of its own,
// calls it, and streams messages to it.

#include <capnp/ez-rpc.h>
#include <echo.capnp.h>

#include "peers/peer.h"

namespace bench {

namespace {

std::span<const std::byte> bytes_of(capnp::Data::Reader content) {
  return std::as_bytes(std::span(content.begin(), content.size()));
}
capnp::Data::Reader reader_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const capnp::byte*>(bytes.data()), bytes.size()};
}

class CapnpCaller final : public PeerCaller {
 public:
  CapnpCaller(const std::string& server, bool comes_once) : client_(server) {
    auto entered = client_.getMain<Door>().enterRequest().send();
    // Called at once, it costs no round trip of its own; what has been waited for has its calls go
    // straight into the connection from then on.
    echo_ = comes_once ? entered.getEcho() : entered.wait(client_.getWaitScope()).getEcho();
  }
  ~CapnpCaller() noexcept override = default;  // its members' may throw

  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    auto request = echo_.exchangeRequest();
    request.setMessage(reader_of(message));
    const auto response = request.send().wait(client_.getWaitScope());
    take_answer(bytes_of(response.getAnswer()), answer);
  }
  void send(std::span<const std::byte> message) override {
    auto request = echo_.takeRequest();
    request.setMessage(reader_of(message));
    request.send().wait(client_.getWaitScope());
  }

 private:
  capnp::EzRpcClient client_;
  Echo::Client echo_ = nullptr;
};

class CapnpEcho final : public Echo::Server {
 public:
  explicit CapnpEcho(const Task& task) : receiver_(receiver_for(task)) {}

  kj::Promise<void> exchange(ExchangeContext context) override {
    const auto message = context.getParams().getMessage();
    [[maybe_unused]] const bool answers = receiver_.take(bytes_of(message));
    context.getResults().setAnswer(message);
    return kj::READY_NOW;
  }
  kj::Promise<void> take(TakeContext context) override {
    [[maybe_unused]] const bool answers =
        receiver_.take(bytes_of(context.getParams().getMessage()));
    return kj::READY_NOW;
  }

 private:
  Receiver receiver_;
};

class CapnpDoor final : public Door::Server {
 public:
  explicit CapnpDoor(const Task& task) : task_(task) {}
  kj::Promise<void> enter(EnterContext context) override {
    context.getResults().setEcho(kj::heap<CapnpEcho>(task_));
    return kj::READY_NOW;
  }

 private:
  const Task task_;
};

class CapnpWay final : public Way {
 public:
  void serve(const std::function<void()>& ready) override {
    capnp::EzRpcServer server(kj::heap<CapnpDoor>(task()), address());
    server.getPort().wait(server.getWaitScope());  // it listens now
    ready();
    kj::NEVER_DONE.wait(server.getWaitScope());
  }

  std::unique_ptr<Caller> connect(unsigned) override {
    return std::make_unique<CapnpCaller>(address(), task().work == Work::set_up);
  }

 private:
  [[nodiscard]] std::string address() const { return "unix:" + path("server"); }
};

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  using enum bench::Work;
  return bench::run_peer(argc, argv,
                         {.name = "Cap'n Proto",
                          .does = "EzRpc over unix:, calls and streaming calls",
                          .works = {round_trip, one_way, fan_in, set_up},
                          .make = [] { return std::make_unique<bench::CapnpWay>(); }});
}
