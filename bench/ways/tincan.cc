#include "ways/tincan.h"

#include <tincan/tincan.h>

#include <map>
#include <optional>

namespace bench {

namespace {

using namespace std::chrono_literals;
using tincan::Client;
using tincan::Request;

template <class T>
T taken(tincan::Result<T>&& result) {
  if (!result) throw std::runtime_error(result.error().explain());
  return std::move(*result);
}
void taken(tincan::Result<void>&& result) {
  if (!result) throw std::runtime_error(result.error().explain());
}

/// A trial has a deadline of its own.
constexpr tincan::CallOptions patient{.deadline = 10min};

class TincanCaller final : public Caller {
 public:
  TincanCaller(Client client, const Task& task, bool moves,
               std::optional<tincan::Handover> handover)
      : client_(std::move(client)), moves_(moves), handover_(handover) {
    if (task.work == Work::one_way) sender_.emplace(taken(client_.sender("take")));
  }
  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    if (sender_) taken(sender_->flush());
    const auto reply = taken(client_.call("echo", message, patient));
    if (reply.payload().size() != answer.size()) throw WrongMessage("an answer of another size");
    std::ranges::copy(reply.payload(), answer.begin());
  }
  void send(std::span<const std::byte> message) override { taken(sender_->add(message)); }
  void pass(const Messages& messages, std::uint64_t sequence) override {
    if (handover_) {
      auto loan = taken(client_.loan(messages.bytes(), *handover_));
      messages.fill(loan.bytes(), sequence);
      taken(client_.call("pass", std::move(loan), patient));
      return;
    }
    payload_.resize(messages.bytes());
    messages.fill(payload_, sequence);
    taken(client_.call("pass", payload_, patient));
  }
  bool is_warm() override { return !moves_ || client_.ring_bytes() > 0; }

 private:
  Client client_;
  const bool moves_;  ///< To a ring, when there is enough to do.
  const std::optional<tincan::Handover> handover_;
  std::optional<tincan::Sender> sender_;
  std::vector<std::byte> payload_;
};

class TincanWay final : public Way {
 public:
  TincanWay(tincan::Transport transport, std::optional<tincan::Handover> handover)
      : transport_(transport), handover_(handover) {}

  void serve(const std::function<void()>& ready) override {
    constexpr std::uint32_t many = 65'536;
    tincan::ServerOptions options{.connections_max = many, .connections_per_uid_max = many};
    if (handover_) options.shared_views_from = tincan::AllowList();
    auto server = taken(tincan::Server::listen(path("server"), options));
    const auto take = [&](const tincan::Peer& peer, std::span<const std::byte> message) {
      return receiver_of(peer).take(message);
    };
    server.on("echo", [&](Request request) {
      [[maybe_unused]] const bool answers = take(request.peer(), request.payload());
      request.reply(request.payload());
    });
    server.on("pass", [&](Request request) {
      [[maybe_unused]] const bool answers = take(request.peer(), request.payload());
      request.reply();
    });
    server.on_batch("take", [&](const tincan::Batch& batch) {
      for (const auto message : batch) {
        [[maybe_unused]] const bool answers = take(batch.peer(), message);
      }
    });
    ready();
    taken(server.run());
  }

  std::unique_ptr<Caller> connect(unsigned) override {
    tincan::ClientOptions options{.transport = transport_};
    options.connect_deadline = 10s;
    const bool moves = transport_ == tincan::Transport::automatic && task().work != Work::payload;
    return std::make_unique<TincanCaller>(taken(Client::connect(path("server"), options)), task(),
                                          moves, handover_);
  }

 private:
  Receiver& receiver_of(const tincan::Peer& peer) {
    if (task().work == Work::set_up) {
      only_.emplace(receiver_for());
      return *only_;
    }
    if (task().clients == 1) {
      if (!only_) only_.emplace(receiver_for());
      return *only_;
    }
    const pid_t pid = peer.pid().value_or(0);
    const auto known = of_pid_.find(pid);
    return known != of_pid_.end() ? known->second
                                  : of_pid_.emplace(pid, receiver_for()).first->second;
  }
  [[nodiscard]] Receiver receiver_for() const { return {task().bytes, true}; }

  const tincan::Transport transport_;
  const std::optional<tincan::Handover> handover_;
  std::optional<Receiver> only_;
  std::map<pid_t, Receiver> of_pid_;
};

}  // namespace

std::unique_ptr<Way> make_tincan_way(tincan::Transport transport) {
  return std::make_unique<TincanWay>(transport, std::nullopt);
}
std::unique_ptr<Way> make_tincan_loan_way(tincan::Handover kind) {
  return std::make_unique<TincanWay>(tincan::Transport::automatic, kind);
}

}  // namespace bench
