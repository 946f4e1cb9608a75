// sd-bus of libsystemd between peers, without a bus: method calls over a unix socket, an sd_event
// loop on the server's side, and NO_REPLY_EXPECTED for messages that nobody answers.

#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include <cstring>
#include <exception>
#include <list>

#include "peers/peer.h"
#include "ways/unix_address.h"

namespace bench {

namespace {

constexpr const char* object = "/tincan/bench";
constexpr const char* interface = "tincan.Bench";
/// What a caller may have queued. Chosen: the library itself refuses at many thousands.
constexpr std::uint64_t queued_max = 64;

int taken(int result, const char* call) {
  if (result >= 0) return result;
  throw std::runtime_error(std::string(call) + ": " + std::strerror(-result));
}

struct Unref {
  void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Bus = std::unique_ptr<sd_bus, Unref>;
using BusMessage = std::unique_ptr<sd_bus_message, Unref>;

Bus new_bus() {
  sd_bus* bus = nullptr;
  taken(sd_bus_new(&bus), "sd_bus_new");
  return Bus(bus);
}

std::span<const std::byte> bytes_of(sd_bus_message* message) {
  const void* bytes = nullptr;
  std::size_t size = 0;
  taken(sd_bus_message_read_array(message, 'y', &bytes, &size), "sd_bus_message_read_array");
  return {static_cast<const std::byte*>(bytes), size};
}
void append(sd_bus_message* message, std::span<const std::byte> bytes) {
  taken(sd_bus_message_append_array(message, 'y', bytes.data(), bytes.size()),
        "sd_bus_message_append_array");
}

class SdbusCaller final : public PeerCaller {
 public:
  explicit SdbusCaller(const std::string& server) : bus_(new_bus()) {
    taken(sd_bus_set_address(bus_.get(), ("unix:path=" + server).c_str()), "sd_bus_set_address");
    taken(sd_bus_start(bus_.get()), "sd_bus_start");
  }
  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    const BusMessage call = call_with(message);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message* reply = nullptr;
    const int result = sd_bus_call(bus_.get(), call.get(), 0, &error, &reply);
    const std::string words = error.message == nullptr ? "sd_bus_call" : error.message;
    sd_bus_error_free(&error);
    taken(result, words.c_str());
    const BusMessage owned(reply);
    take_answer(bytes_of(reply), answer);
  }
  void send(std::span<const std::byte> message) override {
    const BusMessage call = call_with(message);
    taken(sd_bus_message_set_expect_reply(call.get(), 0), "sd_bus_message_set_expect_reply");
    taken(sd_bus_send(bus_.get(), call.get(), nullptr), "sd_bus_send");
    std::uint64_t queued = 0;
    taken(sd_bus_get_n_queued_write(bus_.get(), &queued), "sd_bus_get_n_queued_write");
    if (queued >= queued_max) taken(sd_bus_flush(bus_.get()), "sd_bus_flush");
  }

 private:
  [[nodiscard]] BusMessage call_with(std::span<const std::byte> bytes) const {
    sd_bus_message* message = nullptr;
    taken(sd_bus_message_new_method_call(bus_.get(), &message, nullptr, object, interface, "Take"),
          "sd_bus_message_new_method_call");
    BusMessage call(message);
    append(message, bytes);
    return call;
  }

  const Bus bus_;
};

/// Of the server.
struct Client {
  Receiver receiver;
  Bus bus;
  std::exception_ptr failure = nullptr;
};

int take(sd_bus_message* message, void* whose, sd_bus_error*) {
  Client& client = *static_cast<Client*>(whose);
  try {
    const auto bytes = bytes_of(message);
    if (!client.receiver.take(bytes)) return 1;
    sd_bus_message* reply = nullptr;
    taken(sd_bus_message_new_method_return(message, &reply), "sd_bus_message_new_method_return");
    const BusMessage owned(reply);
    append(reply, bytes);
    taken(sd_bus_send(nullptr, reply, nullptr), "sd_bus_send");
  } catch (...) {
    // An error as the reply is not enough: most messages have none.
    client.failure = std::current_exception();
    sd_event_exit(sd_bus_get_event(client.bus.get()), 0);
  }
  return 1;
}

constexpr sd_bus_vtable methods[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Take", "ay", "ay", take, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

class SdbusWay final : public Way {
 public:
  void serve(const std::function<void()>& ready) override {
    const int listener = listen();
    taken(sd_event_new(&event_), "sd_event_new");
    const auto accept = [](sd_event_source*, int socket, std::uint32_t, void* way) {
      static_cast<SdbusWay*>(way)->accept_from(socket);
      return 0;
    };
    taken(sd_event_add_io(event_, nullptr, listener, EPOLLIN, accept, this), "sd_event_add_io");
    ready();
    taken(sd_event_loop(event_), "sd_event_loop");
    for (const Client& client : clients_) {
      if (client.failure) std::rethrow_exception(client.failure);
    }
  }

  std::unique_ptr<Caller> connect(unsigned) override {
    return std::make_unique<SdbusCaller>(path("server"));
  }

 private:
  [[nodiscard]] int listen() const {
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    demand(listener >= 0, "socket");
    const sockaddr_un address = unix_address(path("server"));
    demand(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
           "bind");
    demand(::listen(listener, 128) == 0, "listen");
    return listener;
  }

  void accept_from(int listener) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    demand(socket >= 0, "accept4");
    clients_.remove_if([](const Client& client) { return sd_bus_is_open(client.bus.get()) <= 0; });
    Client& client = clients_.emplace_back(receiver_for(task()), new_bus());
    sd_bus* const bus = client.bus.get();
    sd_id128_t id;
    taken(sd_id128_randomize(&id), "sd_id128_randomize");
    taken(sd_bus_set_fd(bus, socket, socket), "sd_bus_set_fd");
    taken(sd_bus_set_server(bus, 1, id), "sd_bus_set_server");
    taken(sd_bus_add_object_vtable(bus, nullptr, object, interface, methods, &client),
          "sd_bus_add_object_vtable");
    taken(sd_bus_start(bus), "sd_bus_start");
    taken(sd_bus_attach_event(bus, event_, SD_EVENT_PRIORITY_NORMAL), "sd_bus_attach_event");
  }

  sd_event* event_ = nullptr;
  std::list<Client> clients_;
};

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  using enum bench::Work;
  return bench::run_peer(argc, argv,
                         {.name = "sd-bus",
                          .does = "method calls between peers, without a bus daemon",
                          .works = {round_trip, one_way, fan_in, set_up},
                          .make = [] { return std::make_unique<bench::SdbusWay>(); }});
}
