#include "ways/pipes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "ways/end.h"
#include "ways/opened.h"

namespace bench {

namespace {

constexpr std::size_t pipe_bytes = 64 * 1024;

class PipeEnd final : public End {
 public:
  PipeEnd(Descriptor in, Descriptor out, const Task& task)
      : in_(std::move(in)), out_(std::move(out)), room_(std::max(pipe_bytes, task.bytes)) {}

  void send(std::span<const std::byte> message) override {
    while (!message.empty()) {
      const ssize_t sent = ::write(out_.get(), message.data(), message.size());
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
      const ssize_t count = ::read(in_.get(), room_.data() + end_, room_.size() - end_);
      if (count < 0 && errno == EINTR) continue;
      demand(count >= 0, "read");
      if (count == 0) return {};
      end_ += static_cast<std::size_t>(count);
    }
    begin_ += bytes;
    return std::span(room_).subspan(begin_ - bytes, bytes);
  }

 private:
  const Descriptor in_;
  const Descriptor out_;
  std::vector<std::byte> room_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

class PipeWay final : public Way {
 public:
  void prepare(const Task& task) override {
    Way::prepare(task);
    there_ = make_pipe();
    back_ = make_pipe();
  }
  void serve(const std::function<void()>& ready) override {
    there_.out.reset();
    back_.in.reset();
    ready();
    PipeEnd end(std::move(there_.in), std::move(back_.out), task());
    serve_all(end, task());
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    there_.in.reset();
    back_.out.reset();
    return std::make_unique<EndCaller>(
        std::make_unique<PipeEnd>(std::move(back_.in), std::move(there_.out), task()));
  }

 private:
  struct Pipe {
    Descriptor in;
    Descriptor out;
  };
  static Pipe make_pipe() {
    int ends[2];
    demand(::pipe2(ends, O_CLOEXEC) == 0, "pipe");
    return {.in = Descriptor(ends[0]), .out = Descriptor(ends[1])};
  }

  Pipe there_;
  Pipe back_;
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
    Descriptor in = open_fifo("there", O_RDONLY);
    PipeEnd end(std::move(in), open_fifo("back", O_WRONLY), task());
    serve_all(end, task());
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    Descriptor out = open_fifo("there", O_WRONLY);
    return std::make_unique<EndCaller>(
        std::make_unique<PipeEnd>(open_fifo("back", O_RDONLY), std::move(out), task()));
  }

 private:
  /// Waits for the other side.
  [[nodiscard]] Descriptor open_fifo(const char* name, int mode) const {
    return opened(::open(path(name).c_str(), mode | O_CLOEXEC), "open");
  }
};

}  // namespace

std::unique_ptr<Way> make_pipe_way() { return std::make_unique<PipeWay>(); }
std::unique_ptr<Way> make_fifo_way() { return std::make_unique<FifoWay>(); }

}  // namespace bench
