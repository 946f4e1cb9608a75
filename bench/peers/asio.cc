// Asio without Boost, local::stream_protocol: plain reads and writes between two, through a
// buffered_read_stream where messages stream; and a coroutine for each of many clients.

#include <asio.hpp>
#include <asio/experimental/as_tuple.hpp>

#include "peers/peer.h"

namespace bench {

namespace {

using asio::local::stream_protocol;
using Socket = stream_protocol::socket;

/// As the other streams read ahead.
constexpr std::size_t read_ahead_bytes = 256 * 1024;

asio::const_buffer buffer_of(std::span<const std::byte> message) {
  return {message.data(), message.size()};
}
asio::mutable_buffer buffer_of(std::span<std::byte> message) {
  return {message.data(), message.size()};
}

class AsioCaller final : public PeerCaller {
 public:
  AsioCaller(asio::io_context& context, const std::string& server) : socket_(context) {
    socket_.connect(stream_protocol::endpoint(server));
  }
  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    asio::write(socket_, buffer_of(message));
    asio::read(socket_, buffer_of(answer));
  }
  void send(std::span<const std::byte> message) override {
    asio::write(socket_, buffer_of(message));
  }

 private:
  Socket socket_;
};

asio::awaitable<void> serve_client(Socket socket, const Task& task) {
  Receiver receiver = receiver_for(task);
  std::vector<std::byte> message(task.bytes);
  while (true) {
    const auto [error, bytes] = co_await asio::async_read(
        socket, asio::buffer(message), asio::experimental::as_tuple(asio::use_awaitable));
    if (error == asio::error::eof && bytes == 0) co_return;
    if (error) throw std::system_error(error);
    [[maybe_unused]] const bool answers = receiver.take(message);
    co_await asio::async_write(socket, asio::buffer(message), asio::use_awaitable);
  }
}

/// A wrong message ends the whole server.
void rethrow(const std::exception_ptr& failure) {
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> accept_clients(stream_protocol::acceptor& acceptor, const Task& task) {
  while (true) {
    Socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), serve_client(std::move(socket), task), rethrow);
  }
}

class AsioWay final : public Way {
 public:
  void serve(const std::function<void()>& ready) override {
    stream_protocol::acceptor acceptor(context_, stream_protocol::endpoint(path("server")));
    ready();
    if (task().work == Work::fan_in || task().work == Work::set_up) {
      asio::co_spawn(context_, accept_clients(acceptor, task()), rethrow);
      context_.run();
      return;
    }
    Socket socket = acceptor.accept();
    if (task().work == Work::one_way) {
      asio::buffered_read_stream<Socket&> stream(socket, read_ahead_bytes);
      serve_only(stream);
    } else {
      serve_only(socket);
    }
  }

  std::unique_ptr<Caller> connect(unsigned) override {
    return std::make_unique<AsioCaller>(context_, path("server"));
  }

 private:
  template <class Stream>
  void serve_only(Stream& stream) {
    Receiver receiver = receiver_for(task());
    std::vector<std::byte> message(task().bytes);
    asio::error_code error;
    while (asio::read(stream, asio::buffer(message), error) == message.size()) {
      if (receiver.take(message)) asio::write(stream, asio::buffer(message));
    }
    if (error != asio::error::eof) throw std::system_error(error);
  }

  asio::io_context context_{1};
};

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  using enum bench::Work;
  return bench::run_peer(argc, argv,
                         {.name = "Asio",
                          .does = "local::stream_protocol; coroutines for many clients",
                          .works = {round_trip, one_way, fan_in, set_up},
                          .make = [] { return std::make_unique<bench::AsioWay>(); }});
}
