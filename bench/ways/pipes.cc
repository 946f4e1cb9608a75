#include "ways/pipes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "ways/end.h"

namespace bench {

namespace {

constexpr std::size_t pipe_bytes = 64 * 1024;

class PipeEnd final : public End {
 public:
  PipeEnd(int in, int out, const Task& task)
      : in_(in), out_(out), room_(std::max(pipe_bytes, task.bytes)) {}
  ~PipeEnd() override {
    ::close(in_);
    ::close(out_);
  }

  void send(std::span<const std::byte> message) override {
    while (!message.empty()) {
      const ssize_t sent = ::write(out_, message.data(), message.size());
      if (sent < 0 && errno == EINTR) continue;
      demand(sent > 0, "write");
      message = message.subspan(static_cast<std::size_t>(sent));
    }
  }

  std::span<const std::byte> receive(std::size_t bytes) override {
    while (end_ - begin_ < bytes) {
      if (begin_ + bytes > room_.size()) {
        std::memmove(room_.data(), room_.data() + begin_, end_ - begin_);
        end_ -= std::exchange(begin_, 0);
      }
      const ssize_t count = ::read(in_, room_.data() + end_, room_.size() - end_);
      if (count < 0 && errno == EINTR) continue;
      demand(count >= 0, "read");
      if (count == 0) return {};
      end_ += static_cast<std::size_t>(count);
    }
    begin_ += bytes;
    return std::span(room_).subspan(begin_ - bytes, bytes);
  }

 private:
  const int in_;
  const int out_;
  std::vector<std::byte> room_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

class PipeWay final : public Way {
 public:
  void prepare(const Task& task) override {
    Way::prepare(task);
    demand(::pipe2(there_, O_CLOEXEC) == 0 && ::pipe2(back_, O_CLOEXEC) == 0, "pipe");
  }
  void serve(const std::function<void()>& ready) override {
    ::close(there_[1]);
    ::close(back_[0]);
    ready();
    PipeEnd end(there_[0], back_[1], task());
    serve_all(end, task());
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    ::close(there_[0]);
    ::close(back_[1]);
    return std::make_unique<EndCaller>(std::make_unique<PipeEnd>(back_[0], there_[1], task()));
  }

 private:
  int there_[2];
  int back_[2];
};

class FifoWay final : public Way {
 public:
  void prepare(const Task& task) override {
    Way::prepare(task);
    demand(::mkfifo(path("there").c_str(), 0600) == 0, "mkfifo");
    demand(::mkfifo(path("back").c_str(), 0600) == 0, "mkfifo");
  }
  void serve(const std::function<void()>& ready) override {
    ready();
    const int in = open_fifo("there", O_RDONLY);
    PipeEnd end(in, open_fifo("back", O_WRONLY), task());
    serve_all(end, task());
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    const int out = open_fifo("there", O_WRONLY);
    return std::make_unique<EndCaller>(
        std::make_unique<PipeEnd>(open_fifo("back", O_RDONLY), out, task()));
  }

 private:
  /// Waits for the other side.
  [[nodiscard]] int open_fifo(const char* name, int mode) const {
    const int fifo = ::open(path(name).c_str(), mode | O_CLOEXEC);
    demand(fifo >= 0, "open");
    return fifo;
  }
};

}  // namespace

std::unique_ptr<Way> make_pipe_way() { return std::make_unique<PipeWay>(); }
std::unique_ptr<Way> make_fifo_way() { return std::make_unique<FifoWay>(); }

}  // namespace bench
