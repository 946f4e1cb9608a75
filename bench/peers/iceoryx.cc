#include "peers/iceoryx.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/mepoo/chunk_header.hpp>
#include <iceoryx_posh/popo/untyped_client.hpp>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_server.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/popo/wait_set.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>
#include <thread>

#include "peers/peer.h"
#include "peers/roudi.h"

namespace bench {

namespace {

using namespace iox::popo;

/// Of a request: whose it is, as nothing that the library shows says so.
constexpr std::size_t prefix_bytes = 8;
/// More than what the library puts before a request.
constexpr std::size_t headers_bytes = 128;
constexpr std::uint32_t alignment = 8;

template <class T>
T taken(const char* call, iox::cxx::expected<T, AllocationError>&& result) {
  if (result.has_error()) throw std::runtime_error(std::string(call) + ": no chunk is free");
  return result.value();
}

std::span<const std::byte> bytes_of(const void* payload) {
  const auto* const header = iox::mepoo::ChunkHeader::fromUserPayload(payload);
  return {static_cast<const std::byte*>(payload), header->userPayloadSize()};
}

/// Takes what comes at a port, and waits for it in one of the two ways.
class Inbox {
 public:
  template <class Port, class State>
  Inbox(IceoryxWait wait, Port& port, State state) {
    if (wait == IceoryxWait::polling) return;
    wait_set_ = std::make_unique<WaitSet<1>>();
    if (wait_set_->attachState(port, state).has_error()) {
      throw std::runtime_error("WaitSet::attachState");
    }
  }
  template <class Port>
  const void* take(Port& port) {
    while (true) {
      auto chunk = port.take();
      if (!chunk.has_error()) return chunk.value();
      if (wait_set_) [[maybe_unused]]
        const auto notifications = wait_set_->wait();
    }
  }

 private:
  std::unique_ptr<WaitSet<1>> wait_set_;
};

/// Connections come about by and by.
template <class Condition>
void wait_until(Condition is_so) {
  while (!is_so()) std::this_thread::sleep_for(std::chrono::microseconds(100));
}

iox::capro::ServiceDescription topic(const char* name) {
  return {"tincan", "bench", iox::capro::IdString_t(iox::cxx::TruncateToCapacity, name)};
}

class IceoryxCaller final : public PeerCaller {
 public:
  IceoryxCaller(IceoryxWait wait, unsigned number)
      : number_(number), inbox_(wait, client_, ClientState::HAS_RESPONSE) {
    wait_until([&] { return client_.getConnectionState() == iox::ConnectionState::CONNECTED; });
  }
  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    const auto bytes = static_cast<std::uint32_t>(prefix_bytes + message.size());
    auto* const request = static_cast<std::byte*>(taken("loan", client_.loan(bytes, alignment)));
    std::memcpy(request, &number_, sizeof number_);
    std::ranges::copy(message, request + prefix_bytes);
    if (client_.send(request).has_error()) throw std::runtime_error("the server has gone");
    const void* const response = inbox_.take(client_);
    take_answer(bytes_of(response), answer);
    client_.releaseResponse(response);
  }
  void send(std::span<const std::byte>) override { throw std::logic_error("it wants answers"); }

 private:
  const std::uint64_t number_;
  UntypedClient client_{topic("requests")};
  Inbox inbox_;
};

/// Blocks its publisher rather than lose something.
class Subscription {
 public:
  Subscription(IceoryxWait wait, const char* name, std::uint32_t chunks)
      : subscriber_(topic(name),
                    {.queueCapacity = chunks, .queueFullPolicy = QueueFullPolicy::BLOCK_PRODUCER}),
        inbox_(wait, subscriber_, SubscriberState::HAS_DATA) {}
  template <class Taker>
  void take(Taker taker) {
    const void* const message = inbox_.take(subscriber_);
    taker(bytes_of(message));
    subscriber_.release(message);
  }

 private:
  UntypedSubscriber subscriber_;
  Inbox inbox_;
};

class Publication {
 public:
  explicit Publication(const char* name)
      : publisher_(topic(name),
                   {.subscriberTooSlowPolicy = ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER}) {}
  void send(std::span<const std::byte> message) {
    const auto bytes = static_cast<std::uint32_t>(message.size());
    void* const chunk = taken("loan", publisher_.loan(bytes));
    std::ranges::copy(message, static_cast<std::byte*>(chunk));
    publisher_.publish(chunk);
  }
  void wait_for_subscriber() {
    wait_until([&] { return publisher_.hasSubscribers(); });
  }

 private:
  UntypedPublisher publisher_;
};

class IceoryxStreamer final : public PeerCaller {
 public:
  IceoryxStreamer(IceoryxWait wait, std::uint32_t chunks) : answers_(wait, "answers", chunks) {
    messages_.wait_for_subscriber();
  }
  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    messages_.send(message);
    answers_.take([&](std::span<const std::byte> came) { take_answer(came, answer); });
  }
  void send(std::span<const std::byte> message) override { messages_.send(message); }

 private:
  Publication messages_{"messages"};
  Subscription answers_;
};

class IceoryxWay final : public Way {
 public:
  explicit IceoryxWay(IceoryxWait wait) : wait_(wait) {}

  void serve(const std::function<void()>& ready) override {
    start_roudi(chunk_bytes(), chunks(), name());
    start_runtime();
    task().work == Work::one_way ? serve_stream(ready) : serve_requests(ready);
  }

  std::unique_ptr<Caller> connect(unsigned client) override {
    if (!has_runtime_) start_runtime();
    if (task().work == Work::one_way) return std::make_unique<IceoryxStreamer>(wait_, queued());
    return std::make_unique<IceoryxCaller>(wait_, client);
  }

 private:
  [[nodiscard]] std::uint32_t chunk_bytes() const {
    return static_cast<std::uint32_t>((headers_bytes + prefix_bytes + task().bytes + 7) / 8 * 8);
  }
  /// Chosen: no trial takes more than 64 MiB of memory.
  [[nodiscard]] std::uint32_t chunks() const {
    return std::clamp<std::uint32_t>((64u << 20) / chunk_bytes(), 64, 1024);
  }
  [[nodiscard]] std::uint32_t queued() const { return chunks() / 4; }

  /// As the processes of this trial begin theirs.
  [[nodiscard]] std::string name() const {
    return std::filesystem::path(task().directory).filename().string() + "-";
  }
  void start_runtime() {
    iox::log::LogManager::GetLogManager().SetDefaultLogLevel(
        iox::log::LogLevel::kOff, iox::log::LogLevelOutput::kHideLogLevel);
    const std::string own = name() + std::to_string(::getpid());
    iox::runtime::PoshRuntime::initRuntime({iox::cxx::TruncateToCapacity, own});
    has_runtime_ = true;
  }

  void serve_requests(const std::function<void()>& ready) {
    UntypedServer server(topic("requests"));
    Inbox inbox(wait_, server, ServerState::HAS_REQUEST);
    Receivers<std::uint64_t> receivers(task());
    ready();
    while (true) {
      const void* const request = inbox.take(server);
      std::uint64_t client;
      std::memcpy(&client, request, sizeof client);
      const auto message = bytes_of(request).subspan(prefix_bytes);
      [[maybe_unused]] const bool answers = receivers.of(client).take(message);
      void* const response =
          taken("loan", server.loan(RequestHeader::fromPayload(request),
                                    static_cast<std::uint32_t>(message.size()), alignment));
      std::ranges::copy(message, static_cast<std::byte*>(response));
      server.releaseRequest(request);
      [[maybe_unused]] const bool client_has_gone = server.send(response).has_error();
    }
  }

  void serve_stream(const std::function<void()>& ready) {
    Subscription messages(wait_, "messages", queued());
    Publication answers("answers");
    Receiver receiver = receiver_for(task());
    ready();
    while (true) {
      messages.take([&](std::span<const std::byte> message) {
        if (!receiver.take(message)) return;
        answers.wait_for_subscriber();
        answers.send(message);
      });
    }
  }

  const IceoryxWait wait_;
  bool has_runtime_ = false;
};

}  // namespace

std::unique_ptr<Way> make_iceoryx_way(IceoryxWait wait) {
  return std::make_unique<IceoryxWay>(wait);
}

}  // namespace bench
