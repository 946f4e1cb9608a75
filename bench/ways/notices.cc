#include "ways/notices.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <optional>

#include "ways/end.h"
#include "ways/opened.h"
#include "ways/shared.h"

namespace bench {

namespace {

using Notice = std::array<std::byte, notice_bytes>;

class EventfdEnd final : public End {
 public:
  EventfdEnd(int in, int out) : in_(in), out_(out) {}
  void send(std::span<const std::byte> message) override {
    std::uint64_t number;
    std::memcpy(&number, message.data(), sizeof number);
    demand(::write(out_, &number, sizeof number) == sizeof number, "write");
  }
  std::span<const std::byte> receive(std::size_t) override {
    demand(::read(in_, room_.data(), room_.size()) == notice_bytes, "read");
    return room_;
  }

 private:
  const int in_;
  const int out_;
  Notice room_;
};

class EventfdWay final : public Way {
 public:
  void prepare(const Task& task) override {
    Way::prepare(task);
    there_ = opened(::eventfd(0, EFD_CLOEXEC), "eventfd");
    back_ = opened(::eventfd(0, EFD_CLOEXEC), "eventfd");
  }
  void serve(const std::function<void()>& ready) override {
    ready();
    EventfdEnd end(there_.get(), back_.get());
    serve_all(end, task());
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    return std::make_unique<EndCaller>(std::make_unique<EventfdEnd>(back_.get(), there_.get()));
  }

 private:
  Descriptor there_;
  Descriptor back_;
};

sigset_t real_time_signal() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGRTMIN);
  return signals;
}

class SignalEnd final : public End {
 public:
  explicit SignalEnd(const std::atomic<pid_t>& peer) : peer_(peer), signals_(real_time_signal()) {}
  void send(std::span<const std::byte> message) override {
    sigval value;
    std::memcpy(&value, message.data(), sizeof value);
    demand(::sigqueue(peer_, SIGRTMIN, value) == 0, "sigqueue");
  }
  std::span<const std::byte> receive(std::size_t) override {
    siginfo_t signal;
    while (::sigwaitinfo(&signals_, &signal) < 0) demand(errno == EINTR, "sigwaitinfo");
    std::memcpy(room_.data(), &signal.si_value, room_.size());
    return room_;
  }

 private:
  const std::atomic<pid_t>& peer_;
  const sigset_t signals_;
  Notice room_;
};
static_assert(sizeof(sigval) == notice_bytes);

class SignalWay final : public Way {
 public:
  void prepare(const Task& task) override {
    Way::prepare(task);
    processes_.emplace();
  }
  void serve(const std::function<void()>& ready) override {
    begin((*processes_)->server);
    ready();
    SignalEnd end((*processes_)->client);
    serve_all(end, task());
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    begin((*processes_)->client);
    return std::make_unique<EndCaller>(std::make_unique<SignalEnd>((*processes_)->server));
  }

 private:
  struct Processes {
    std::atomic<pid_t> client = 0;
    std::atomic<pid_t> server = 0;
  };
  static void begin(std::atomic<pid_t>& own) {
    const sigset_t signals = real_time_signal();
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    own = ::getpid();
  }
  std::optional<Shared<Processes>> processes_;
};

}  // namespace

std::unique_ptr<Way> make_eventfd_way() { return std::make_unique<EventfdWay>(); }
std::unique_ptr<Way> make_signal_way() { return std::make_unique<SignalWay>(); }

}  // namespace bench
