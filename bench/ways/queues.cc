#include "ways/queues.h"

#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "ways/end.h"
#include "ways/opened.h"

namespace bench {

namespace {

std::size_t setting(const char* path) {
  std::size_t value = 0;
  std::ifstream(path) >> value;
  return value;
}

class PosixQueueEnd final : public End {
 public:
  PosixQueueEnd(mqd_t in, mqd_t out, const Task& task) : in_(in), out_(out), room_(task.bytes) {}
  void send(std::span<const std::byte> message) override {
    const char* const bytes = reinterpret_cast<const char*>(message.data());
    demand(::mq_send(out_, bytes, message.size(), 0) == 0, "mq_send");
  }
  std::span<const std::byte> receive(std::size_t) override {
    const ssize_t count =
        ::mq_receive(in_, reinterpret_cast<char*>(room_.data()), room_.size(), nullptr);
    demand(count >= 0, "mq_receive");
    return std::span(room_).first(static_cast<std::size_t>(count));
  }

 private:
  const mqd_t in_;
  const mqd_t out_;
  std::vector<std::byte> room_;
};

/// Their names are gone before anybody could find them. On Linux a queue is a file descriptor:
/// mq_open(3).
class PosixQueueWay final : public Way {
 public:
  void prepare(const Task& task) override {
    Way::prepare(task);
    there_ = open_queue("there");
    back_ = open_queue("back");
  }
  void serve(const std::function<void()>& ready) override {
    ready();
    PosixQueueEnd end(there_.get(), back_.get(), task());
    serve_all(end, task());
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    return std::make_unique<EndCaller>(
        std::make_unique<PosixQueueEnd>(back_.get(), there_.get(), task()));
  }

 private:
  [[nodiscard]] Descriptor open_queue(const char* direction) const {
    const std::string name = "/tincan-bench-" + std::to_string(::getpid()) + "-" + direction;
    mq_attr wanted = {};
    wanted.mq_maxmsg =
        static_cast<long>(std::min<std::size_t>(10, setting("/proc/sys/fs/mqueue/msg_max")));
    wanted.mq_msgsize = static_cast<long>(task().bytes);
    Descriptor queue = opened(
        ::mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &wanted), "mq_open");
    ::mq_unlink(name.c_str());
    return queue;
  }

  Descriptor there_;
  Descriptor back_;
};

class SystemVQueueEnd final : public End {
 public:
  SystemVQueueEnd(int in, int out, const Task& task)
      : in_(in), out_(out), room_(sizeof(long) + task.bytes) {}
  void send(std::span<const std::byte> message) override {
    constexpr long type = 1;
    std::memcpy(room_.data(), &type, sizeof type);
    if (message.data() != room_.data() + sizeof type) {
      std::memcpy(room_.data() + sizeof type, message.data(), message.size());
    }
    demand(::msgsnd(out_, room_.data(), message.size(), 0) == 0, "msgsnd");
  }
  std::span<const std::byte> receive(std::size_t bytes) override {
    const ssize_t count = ::msgrcv(in_, room_.data(), bytes, 0, 0);
    demand(count >= 0, "msgrcv");
    return std::span(room_).subspan(sizeof(long), static_cast<std::size_t>(count));
  }

 private:
  const int in_;
  const int out_;
  std::vector<std::byte> room_;  ///< Its type goes before a message.
};

/// They have no names and no owner: nothing but this removes them.
class SystemVQueueWay final : public Way {
 public:
  ~SystemVQueueWay() override {
    for (const int queue : {there_, back_}) {
      if (queue >= 0 && owner_ == ::getpid()) ::msgctl(queue, IPC_RMID, nullptr);
    }
  }
  void prepare(const Task& task) override {
    Way::prepare(task);
    owner_ = ::getpid();
    demand((there_ = ::msgget(IPC_PRIVATE, 0600)) >= 0, "msgget");
    demand((back_ = ::msgget(IPC_PRIVATE, 0600)) >= 0, "msgget");
  }
  void serve(const std::function<void()>& ready) override {
    ready();
    SystemVQueueEnd end(there_, back_, task());
    serve_all(end, task());
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    return std::make_unique<EndCaller>(std::make_unique<SystemVQueueEnd>(back_, there_, task()));
  }

 private:
  int there_ = -1;
  int back_ = -1;
  pid_t owner_ = 0;
};

}  // namespace

std::unique_ptr<Way> make_posix_queue_way() { return std::make_unique<PosixQueueWay>(); }
std::unique_ptr<Way> make_system_v_queue_way() { return std::make_unique<SystemVQueueWay>(); }

std::size_t posix_queue_bytes_max() { return setting("/proc/sys/fs/mqueue/msgsize_max"); }
std::size_t system_v_queue_bytes_max() { return setting("/proc/sys/kernel/msgmax"); }

}  // namespace bench
