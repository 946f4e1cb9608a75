// ZeroMQ over ipc://, through cppzmq: REQ and REP; with many clients a ROUTER, which knows who has
// asked; and for streams PUSH and PULL, where a second pair of them brings the answer.

#include <zmq.hpp>

#include "peers/peer.h"

namespace bench {

namespace {

std::span<const std::byte> bytes_of(const zmq::message_t& message) {
  return {message.data<std::byte>(), message.size()};
}

zmq::const_buffer buffer_of(std::span<const std::byte> message) {
  return zmq::buffer(message.data(), message.size());
}

class ZeromqCaller final : public PeerCaller {
 public:
  ZeromqCaller(zmq::context_t& context, const std::string& server)
      : requests_(context, zmq::socket_type::req) {
    requests_.connect(server);
  }
  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    requests_.send(buffer_of(message));
    [[maybe_unused]] const auto bytes = requests_.recv(answer_);
    take_answer(bytes_of(answer_), answer);
  }
  void send(std::span<const std::byte>) override { throw std::logic_error("REQ wants answers"); }

 private:
  zmq::socket_t requests_;
  zmq::message_t answer_;
};

class ZeromqStreamer final : public PeerCaller {
 public:
  ZeromqStreamer(zmq::context_t& context, const std::string& server, const std::string& answers)
      : messages_(context, zmq::socket_type::push), answers_(context, zmq::socket_type::pull) {
    messages_.connect(server);
    answers_.connect(answers);
  }
  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    send(message);
    [[maybe_unused]] const auto bytes = answers_.recv(answer_);
    take_answer(bytes_of(answer_), answer);
  }
  void send(std::span<const std::byte> message) override { messages_.send(buffer_of(message)); }

 private:
  zmq::socket_t messages_;
  zmq::socket_t answers_;
  zmq::message_t answer_;
};

class ZeromqWay final : public Way {
 public:
  void serve(const std::function<void()>& ready) override {
    switch (task().work) {
      case Work::one_way:
        return serve_stream(ready);
      case Work::fan_in:
        return serve_many(ready);
      default:
        return serve_one_by_one(ready);
    }
  }

  std::unique_ptr<Caller> connect(unsigned) override {
    if (task().work == Work::one_way) {
      return std::make_unique<ZeromqStreamer>(context_, address("server"), address("answers"));
    }
    return std::make_unique<ZeromqCaller>(context_, address("server"));
  }

 private:
  [[nodiscard]] std::string address(const char* name) const { return "ipc://" + path(name); }
  [[nodiscard]] zmq::socket_t bound(zmq::socket_type type, const char* name) {
    zmq::socket_t socket(context_, type);
    socket.bind(address(name));
    return socket;
  }

  /// REP does not say whose the request is; there is one client at a time.
  void serve_one_by_one(const std::function<void()>& ready) {
    zmq::socket_t requests = bound(zmq::socket_type::rep, "server");
    Receivers<int> receivers(task());
    zmq::message_t message;
    ready();
    while (requests.recv(message)) {
      [[maybe_unused]] const bool answers = receivers.of(0).take(bytes_of(message));
      requests.send(message, zmq::send_flags::none);
    }
  }

  void serve_many(const std::function<void()>& ready) {
    zmq::socket_t requests = bound(zmq::socket_type::router, "server");
    Receivers<std::string> receivers(task());
    zmq::message_t client;
    zmq::message_t delimiter;
    zmq::message_t message;
    ready();
    while (requests.recv(client) && requests.recv(delimiter) && requests.recv(message)) {
      Receiver& receiver = receivers.of(client.to_string());
      [[maybe_unused]] const bool answers = receiver.take(bytes_of(message));
      requests.send(client, zmq::send_flags::sndmore);
      requests.send(delimiter, zmq::send_flags::sndmore);
      requests.send(message, zmq::send_flags::none);
    }
  }

  void serve_stream(const std::function<void()>& ready) {
    zmq::socket_t messages = bound(zmq::socket_type::pull, "server");
    zmq::socket_t answers = bound(zmq::socket_type::push, "answers");
    Receiver receiver = receiver_for(task());
    zmq::message_t message;
    ready();
    while (messages.recv(message)) {
      if (receiver.take(bytes_of(message))) answers.send(message, zmq::send_flags::none);
    }
  }

  zmq::context_t context_;
};

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  using enum bench::Work;
  return bench::run_peer(argc, argv,
                         {.name = "ZeroMQ",
                          .does = "REQ and REP, PUSH and PULL over ipc://",
                          .works = {round_trip, one_way, fan_in, set_up},
                          .make = [] { return std::make_unique<bench::ZeromqWay>(); }});
}
