// nng over ipc://: req and rep, which serves many clients one after the other; and for streams push
// and pull, where a second pair of them brings the answer.

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include <utility>

#include "peers/peer.h"

namespace bench {

namespace {

void taken(int error, const char* call) {
  if (error != 0) throw std::runtime_error(std::string(call) + ": " + nng_strerror(error));
}

/// A message that came, or that is to be sent.
class NngMessage {
 public:
  explicit NngMessage(nng_msg* message) : message_(message) {}
  NngMessage(NngMessage&& other) noexcept : message_(std::exchange(other.message_, nullptr)) {}
  NngMessage& operator=(NngMessage&&) = delete;
  ~NngMessage() {
    if (message_ != nullptr) nng_msg_free(message_);
  }
  [[nodiscard]] std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(nng_msg_body(message_)), nng_msg_len(message_)};
  }
  /// Whose it is.
  [[nodiscard]] int pipe() const { return nng_pipe_id(nng_msg_get_pipe(message_)); }
  void send_to(nng_socket socket) {
    taken(nng_sendmsg(socket, message_, 0), "nng_sendmsg");
    message_ = nullptr;
  }

 private:
  nng_msg* message_;
};

class NngSocket {
 public:
  using Open = int (*)(nng_socket*);
  explicit NngSocket(Open open) {
    taken(open(&socket_), "open");
    // By default a mebibyte is too large, for what says whose it is goes with it.
    taken(nng_socket_set_size(socket_, NNG_OPT_RECVMAXSZ, 0), "NNG_OPT_RECVMAXSZ");
  }
  NngSocket(const NngSocket&) = delete;
  NngSocket& operator=(const NngSocket&) = delete;
  ~NngSocket() { nng_close(socket_); }

  void listen(const std::string& url) {
    taken(nng_listen(socket_, url.c_str(), nullptr, 0), "nng_listen");
  }
  void dial(const std::string& url) {
    taken(nng_dial(socket_, url.c_str(), nullptr, 0), "nng_dial");
  }
  /// A copy of it.
  void send(std::span<const std::byte> message) {
    nng_msg* copy = nullptr;
    taken(nng_msg_alloc(&copy, 0), "nng_msg_alloc");
    NngMessage sent(copy);
    taken(nng_msg_append(copy, message.data(), message.size()), "nng_msg_append");
    sent.send_to(socket_);
  }
  void send(NngMessage&& message) { message.send_to(socket_); }
  [[nodiscard]] NngMessage receive() {
    nng_msg* message = nullptr;
    taken(nng_recvmsg(socket_, &message, 0), "nng_recvmsg");
    return NngMessage(message);
  }

 private:
  nng_socket socket_ = NNG_SOCKET_INITIALIZER;
};

class NngCaller final : public PeerCaller {
 public:
  explicit NngCaller(const std::string& server) { requests_.dial(server); }
  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    requests_.send(message);
    take_answer(requests_.receive().bytes(), answer);
  }
  void send(std::span<const std::byte>) override { throw std::logic_error("req wants answers"); }

 private:
  NngSocket requests_{nng_req0_open};
};

class NngStreamer final : public PeerCaller {
 public:
  NngStreamer(const std::string& server, const std::string& answers) {
    messages_.dial(server);
    answers_.dial(answers);
  }
  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    messages_.send(message);
    take_answer(answers_.receive().bytes(), answer);
  }
  void send(std::span<const std::byte> message) override { messages_.send(message); }

 private:
  NngSocket messages_{nng_push0_open};
  NngSocket answers_{nng_pull0_open};
};

class NngWay final : public Way {
 public:
  void serve(const std::function<void()>& ready) override {
    task().work == Work::one_way ? serve_stream(ready) : serve_requests(ready);
  }

  std::unique_ptr<Caller> connect(unsigned) override {
    if (task().work == Work::one_way) {
      return std::make_unique<NngStreamer>(url("server"), url("answers"));
    }
    return std::make_unique<NngCaller>(url("server"));
  }

 private:
  [[nodiscard]] std::string url(const char* name) const { return "ipc://" + path(name); }

  void serve_requests(const std::function<void()>& ready) {
    NngSocket requests(nng_rep0_open);
    requests.listen(url("server"));
    Receivers<int> receivers(task());
    ready();
    while (true) {
      NngMessage message = requests.receive();
      [[maybe_unused]] const bool answers = receivers.of(message.pipe()).take(message.bytes());
      requests.send(std::move(message));
    }
  }

  void serve_stream(const std::function<void()>& ready) {
    NngSocket messages(nng_pull0_open);
    NngSocket answers(nng_push0_open);
    messages.listen(url("server"));
    answers.listen(url("answers"));
    Receiver receiver = receiver_for(task());
    ready();
    while (true) {
      NngMessage message = messages.receive();
      if (receiver.take(message.bytes())) answers.send(std::move(message));
    }
  }
};

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  using enum bench::Work;
  return bench::run_peer(argc, argv,
                         {.name = "nng",
                          .does = "req and rep, push and pull over ipc://",
                          .works = {round_trip, one_way, fan_in, set_up},
                          .make = [] { return std::make_unique<bench::NngWay>(); }});
}
