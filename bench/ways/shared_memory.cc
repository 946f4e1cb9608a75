#include "ways/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "ways/byte_ring.h"
#include "ways/end.h"
#include "ways/opened.h"
#include "ways/pass_file.h"
#include "ways/shared.h"

namespace bench {

namespace {

constexpr std::size_t batch_bytes = 32 * 1024;

class RingEnd final : public End {
 public:
  RingEnd(ByteRing& in, ByteRing& out, RingWait wait, std::size_t batch, const Task& task)
      : in_(in, ring_capacity(task.bytes), wait),
        out_(out, ring_capacity(task.bytes), wait, batch),
        room_(task.bytes) {}
  void send(std::span<const std::byte> message) override { out_.put(message); }
  void flush() override { out_.publish(); }
  std::span<const std::byte> receive(std::size_t bytes) override {
    in_.take(std::span(room_).first(bytes));
    return std::span(room_).first(bytes);
  }

 private:
  RingConsumer in_;
  RingProducer out_;
  std::vector<std::byte> room_;
};

class RingWay : public Way {
 public:
  RingWay(RingWait wait, std::size_t batch) : wait_(wait), batch_(batch) {}
  void prepare(const Task& task) override {
    Way::prepare(task);
    make_rings(rings_);
  }
  void serve(const std::function<void()>& ready) override {
    ready();
    RingEnd end((*rings_)->there, (*rings_)->back, wait_, batch_, task());
    serve_all(end, task());
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    return std::make_unique<EndCaller>(
        std::make_unique<RingEnd>((*rings_)->back, (*rings_)->there, wait_, batch_, task()));
  }

 protected:
  using Rings = std::optional<Shared<RingPair>>;
  virtual void make_rings(Rings& rings) { rings.emplace(); }

 private:
  const RingWait wait_;
  const std::size_t batch_;
  Rings rings_;
};

class MappedFileWay final : public RingWay {
 public:
  MappedFileWay() : RingWay(RingWait::aware, 1) {}

 protected:
  void make_rings(Rings& rings) override {
    const Descriptor file =
        opened(::open(path("rings").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), "open");
    errno = ::posix_fallocate(file.get(), 0, sizeof(RingPair));
    demand(errno == 0, "posix_fallocate");
    rings.emplace(file.get());
  }
};

/// Passes a descriptor, and hears of it.
class MemoryFileCaller final : public Caller {
 public:
  explicit MemoryFileCaller(Descriptor socket) : socket_(std::move(socket)) {}
  void exchange(std::span<const std::byte>, std::span<std::byte>) override { refuse(); }
  void send(std::span<const std::byte>) override { refuse(); }
  void pass(const Messages& messages, std::uint64_t sequence) override {
    const Descriptor memory =
        opened(::memfd_create("payload", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create");
    const int file = memory.get();
    demand(::ftruncate(file, static_cast<off_t>(messages.bytes())) == 0, "ftruncate");
    void* const at = ::mmap(nullptr, messages.bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    demand(at != MAP_FAILED, "mmap");
    messages.fill({static_cast<std::byte*>(at), messages.bytes()}, sequence);
    demand(::munmap(at, messages.bytes()) == 0, "munmap");
    demand(::fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0, "seal");
    send_file(socket_.get(), file);
    std::byte word;
    demand(::recv(socket_.get(), &word, 1, 0) == 1, "recv");
  }

 private:
  static void refuse() { throw std::runtime_error("it passes payloads only"); }

  const Descriptor socket_;
};

class MemoryFileWay final : public Way {
 public:
  void prepare(const Task& task) override {
    Way::prepare(task);
    int ends[2];
    demand(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    client_.reset(ends[0]);
    server_.reset(ends[1]);
  }
  void serve(const std::function<void()>& ready) override {
    client_.reset();
    ready();
    Receiver receiver = receiver_for(task());
    while (const auto file = receive_file(server_.get())) {
      void* const at = ::mmap(nullptr, task().bytes, PROT_READ, MAP_PRIVATE, file->get(), 0);
      demand(at != MAP_FAILED, "mmap");
      [[maybe_unused]] const bool answers =
          receiver.take({static_cast<const std::byte*>(at), task().bytes});
      demand(::munmap(at, task().bytes) == 0, "munmap");
      const std::byte word{};
      demand(::send(server_.get(), &word, 1, MSG_NOSIGNAL) == 1, "send");
    }
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    server_.reset();
    return std::make_unique<MemoryFileCaller>(std::move(client_));
  }

 private:
  Descriptor client_;
  Descriptor server_;
};

}  // namespace

std::unique_ptr<Way> make_shared_memory_way(RingWait wait) {
  return std::make_unique<RingWay>(wait, 1);
}
std::unique_ptr<Way> make_batched_memory_way() {
  return std::make_unique<RingWay>(RingWait::aware, batch_bytes);
}
std::unique_ptr<Way> make_mapped_file_way() { return std::make_unique<MappedFileWay>(); }
std::unique_ptr<Way> make_memory_file_way() { return std::make_unique<MemoryFileWay>(); }

}  // namespace bench
