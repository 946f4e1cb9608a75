// libuv, uv_pipe_t: both sides run a loop. What is sent goes with uv_try_write, and what does not
// fit at once is queued with uv_write.

#include <uv.h>

#include <cstring>
#include <functional>
#include <list>
#include <utility>

#include "peers/peer.h"

namespace bench {

namespace {

void taken(int error, const char* call) {
  if (error < 0) throw std::runtime_error(std::string(call) + ": " + uv_strerror(error));
}

/// One end of a pipe, which cuts what comes into messages.
class Pipe {
 public:
  using Taker = std::function<void(Pipe&, std::span<const std::byte>)>;

  Pipe(uv_loop_t* loop, std::size_t bytes, Taker take)
      : loop_(loop), bytes_(bytes), take_(std::move(take)) {
    taken(uv_pipe_init(loop, &pipe_, 0), "uv_pipe_init");
    pipe_.data = this;
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close();
    while (!is_closed_) uv_run(loop_, UV_RUN_ONCE);
  }

  void connect(const std::string& server) {
    uv_connect_t request;
    int status = 1;
    request.data = &status;
    const auto connected = [](uv_connect_t* done, int error) {
      *static_cast<int*>(done->data) = error;
    };
    uv_pipe_connect(&request, &pipe_, server.c_str(), connected);
    while (status > 0) uv_run(loop_, UV_RUN_ONCE);
    taken(status, "uv_pipe_connect");
    read();
  }
  void accept_from(uv_stream_t* listener) {
    taken(uv_accept(listener, stream()), "uv_accept");
    read();
  }

  void send(std::span<const std::byte> message) {
    if (uv_stream_get_write_queue_size(stream()) == 0) {
      const uv_buf_t buffer = buffer_of(message);
      const int sent = uv_try_write(stream(), &buffer, 1);
      if (sent != UV_EAGAIN) {
        taken(sent, "uv_try_write");
        message = message.subspan(static_cast<std::size_t>(sent));
      }
    }
    if (!message.empty()) queue(message);
  }
  /// All that was queued.
  void wait_until_sent() {
    while (uv_stream_get_write_queue_size(stream()) > 0) uv_run(loop_, UV_RUN_ONCE);
  }
  /// The other side has ended, and nothing of this one is left to do.
  [[nodiscard]] bool is_closed() const { return is_closed_; }

 private:
  struct Write {
    uv_write_t request;
    std::vector<std::byte> bytes;
  };

  [[nodiscard]] uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&pipe_); }
  static uv_buf_t buffer_of(std::span<const std::byte> bytes) {
    auto* const begin = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
    return uv_buf_init(begin, static_cast<unsigned>(bytes.size()));
  }

  void close() {
    auto* const handle = reinterpret_cast<uv_handle_t*>(&pipe_);
    if (uv_is_closing(handle) != 0) return;
    uv_close(handle,
             [](uv_handle_t* closed) { static_cast<Pipe*>(closed->data)->is_closed_ = true; });
  }

  void queue(std::span<const std::byte> rest) {
    auto* const write = new Write{.request = {}, .bytes = {rest.begin(), rest.end()}};
    write->request.data = write;
    const uv_buf_t buffer = buffer_of(write->bytes);
    const auto written = [](uv_write_t* request, int) {
      delete static_cast<Write*>(request->data);
    };
    taken(uv_write(&write->request, stream(), &buffer, 1, written), "uv_write");
  }

  void read() {
    const auto give_room = [](uv_handle_t* handle, std::size_t suggested, uv_buf_t* room) {
      static_cast<Pipe*>(handle->data)->give_room(suggested, *room);
    };
    const auto came = [](uv_stream_t* handle, ssize_t count, const uv_buf_t*) {
      static_cast<Pipe*>(handle->data)->take(count);
    };
    taken(uv_read_start(stream(), give_room, came), "uv_read_start");
  }
  void give_room(std::size_t suggested, uv_buf_t& room) {
    room_.resize(std::max(bytes_, suggested) + bytes_);
    room = buffer_of(std::span(room_).subspan(filled_));
  }
  void take(ssize_t count) {
    if (count < 0) {
      close();
      return;
    }
    filled_ += static_cast<std::size_t>(count);
    std::size_t begin = 0;
    // What is thrown there passes through the library, and ends the process.
    for (; filled_ - begin >= bytes_; begin += bytes_) {
      take_(*this, std::span(room_).subspan(begin, bytes_));
    }
    filled_ -= begin;
    if (begin > 0) std::memmove(room_.data(), room_.data() + begin, filled_);
  }

  uv_loop_t* const loop_;
  const std::size_t bytes_;
  const Taker take_;
  uv_pipe_t pipe_ = {};
  std::vector<std::byte> room_;
  std::size_t filled_ = 0;
  bool is_closed_ = false;
};

class LibuvCaller final : public PeerCaller {
 public:
  LibuvCaller(uv_loop_t* loop, const Task& task, const std::string& server)
      : loop_(loop), pipe_(loop, task.bytes, [this](Pipe&, std::span<const std::byte> message) {
          take_answer(message, std::exchange(answer_, {}));
        }) {
    pipe_.connect(server);
  }
  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    answer_ = answer;
    pipe_.send(message);
    while (!answer_.empty() && !pipe_.is_closed()) uv_run(loop_, UV_RUN_ONCE);
    if (pipe_.is_closed()) throw std::runtime_error("the server has ended");
  }
  void send(std::span<const std::byte> message) override {
    pipe_.send(message);
    pipe_.wait_until_sent();
  }

 private:
  uv_loop_t* const loop_;
  std::span<std::byte> answer_;  // filled while it is not empty
  Pipe pipe_;
};

class LibuvWay final : public Way {
 public:
  LibuvWay() { taken(uv_loop_init(&loop_), "uv_loop_init"); }

  void serve(const std::function<void()>& ready) override {
    uv_pipe_t listener;
    taken(uv_pipe_init(&loop_, &listener, 0), "uv_pipe_init");
    listener.data = this;
    taken(uv_pipe_bind(&listener, path("server").c_str()), "uv_pipe_bind");
    const auto accept = [](uv_stream_t* stream, int error) {
      taken(error, "uv_listen");
      static_cast<LibuvWay*>(stream->data)->accept_from(stream);
    };
    taken(uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 128, accept), "uv_listen");
    ready();
    uv_run(&loop_, UV_RUN_DEFAULT);
  }

  std::unique_ptr<Caller> connect(unsigned) override {
    return std::make_unique<LibuvCaller>(&loop_, task(), path("server"));
  }

 private:
  void accept_from(uv_stream_t* listener) {
    const auto answer = [receiver = receiver_for(task())](
                            Pipe& pipe, std::span<const std::byte> message) mutable {
      if (receiver.take(message)) pipe.send(message);
    };
    clients_.remove_if([](const Pipe& client) { return client.is_closed(); });
    clients_.emplace_back(&loop_, task().bytes, answer).accept_from(listener);
  }

  uv_loop_t loop_;
  std::list<Pipe> clients_;
};

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  using enum bench::Work;
  return bench::run_peer(argc, argv,
                         {.name = "libuv",
                          .does = "uv_pipe_t, a loop on both sides",
                          .works = {round_trip, one_way, fan_in, set_up},
                          .make = [] { return std::make_unique<bench::LibuvWay>(); }});
}
