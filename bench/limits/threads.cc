/// Twin of bench/threads.cc: threads that share one socket. A mutex guards it; one of those who
/// wait reads for all and hands on when it has its own reply. The argument is the number of
/// threads.

#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <vector>

#include "harness/crew.h"
#include "harness/sizes.h"
#include "harness/socket.h"
#include "harness/worker.h"
#include "limits/echo_stream.h"

namespace {

struct Message {
  std::uint64_t caller;
  char payload[bench::payload_bytes];
};

class SharedSocket {
 public:
  SharedSocket(int socket, std::size_t threads) : socket_(socket), callers_(threads) {}

  /// Sends `message` and replaces it by its answer.
  void call(Message& message) {
    std::unique_lock lock(mutex_);
    Caller& self = callers_[message.caller];
    self.answer = &message;
    bench::send_all(socket_, &message, sizeof message);
    while (self.answer != nullptr) {
      if (reading_) {
        self.wake.wait(lock);
      } else {
        read_for_all(lock);
      }
    }
    if (!reading_) wake_next_reader();
  }

 private:
  struct Caller {
    Message* answer = nullptr;  ///< Where it goes; null: it is there.
    std::condition_variable wake;
  };

  void read_for_all(std::unique_lock<std::mutex>& lock) {
    reading_ = true;
    lock.unlock();
    const std::size_t count = bench::receive(socket_, bytes_ + kept_, sizeof bytes_ - kept_);
    lock.lock();
    reading_ = false;
    kept_ += count;
    std::size_t taken = 0;
    for (; kept_ - taken >= sizeof(Message); taken += sizeof(Message)) hand_out(bytes_ + taken);
    std::memmove(bytes_, bytes_ + taken, kept_ - taken);
    kept_ -= taken;
  }

  void hand_out(const char* bytes) {
    std::uint64_t number;
    std::memcpy(&number, bytes, sizeof number);
    Caller& caller = callers_[number];
    std::memcpy(caller.answer, bytes, sizeof(Message));
    caller.answer = nullptr;
    caller.wake.notify_one();
  }

  void wake_next_reader() {
    for (Caller& caller : callers_) {
      if (caller.answer == nullptr) continue;
      caller.wake.notify_one();
      return;
    }
  }

  const int socket_;
  std::mutex mutex_;
  std::vector<Caller> callers_;
  bool reading_ = false;
  char bytes_[64 * sizeof(Message)];
  std::size_t kept_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const auto [client, far_end] = bench::socket_pair();
  const bench::ServerProcess server(task.placement, [&, far_end = far_end](const auto& ready) {
    ready();
    limits::echo_stream(far_end);
  });
  SharedSocket shared(client, task.number());
  bench::Crew crew(task.number(),
                   [&](std::size_t index, std::size_t calls, bench::Samples& samples) {
                     Message message = {.caller = index, .payload = {}};
                     for (std::size_t i = 0; i < calls; ++i) {
                       shared.call(message);
                       samples.lap();
                     }
                   });
  bench::run_rounds(
      server, [&](std::size_t calls, bench::Samples& samples) { crew.round(calls, samples); });
}
