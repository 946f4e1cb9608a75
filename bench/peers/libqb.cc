#include "peers/libqb.h"

#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>
#include <sched.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "peers/peer.h"
#include "peers/sweep.h"

namespace bench {

namespace {

/// As corosync has it: a stream finds room in there, and a mebibyte with its header does.
constexpr std::size_t memory_bytes = (std::size_t{1} << 20) + 4096;
constexpr int forever = -1;
constexpr int message_id = QB_IPC_MSG_USER_START;

template <class Number>
Number taken(Number result, const char* call) {
  if (result >= 0) return result;
  throw std::runtime_error(std::string(call) + ": " + std::strerror(static_cast<int>(-result)));
}

iovec part_of(const void* begin, std::size_t bytes) { return {const_cast<void*>(begin), bytes}; }

class LibqbCaller final : public PeerCaller {
 public:
  LibqbCaller(const std::string& server, std::size_t bytes_max, std::size_t bytes)
      : connection_(qb_ipcc_connect(server.c_str(), bytes_max)),
        response_(sizeof(qb_ipc_response_header) + bytes) {
    demand(connection_ != nullptr, "qb_ipcc_connect");
  }
  LibqbCaller(const LibqbCaller&) = delete;
  LibqbCaller& operator=(const LibqbCaller&) = delete;
  ~LibqbCaller() override { qb_ipcc_disconnect(connection_); }

  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    send(message);
    const ssize_t bytes = taken(
        qb_ipcc_recv(connection_, response_.data(), response_.size(), forever), "qb_ipcc_recv");
    const std::span came(response_.data(), static_cast<std::size_t>(bytes));
    take_answer(came.subspan(sizeof(qb_ipc_response_header)), answer);
  }

  void send(std::span<const std::byte> message) override {
    const qb_ipc_request_header header = {
        .id = message_id, .size = static_cast<std::int32_t>(sizeof header + message.size())};
    const iovec parts[] = {part_of(&header, sizeof header),
                           part_of(message.data(), message.size())};
    ssize_t sent;
    // It offers nothing to wait for until there is room.
    while ((sent = qb_ipcc_sendv(connection_, parts, 2)) == -EAGAIN) ::sched_yield();
    taken(sent, "qb_ipcc_sendv");
  }

 private:
  qb_ipcc_connection_t* const connection_;
  std::vector<std::byte> response_;
};

/// The library's callbacks know nothing but their connection.
qb_loop_t* loop;
const Task* served;

void greet(qb_ipcs_connection_t* connection) {
  qb_ipcs_context_set(connection, new Receiver(receiver_for(*served)));
}
void forget(qb_ipcs_connection_t* connection) {
  delete static_cast<Receiver*>(qb_ipcs_context_get(connection));
}

/// Sends `message` back; waits for room if there is none.
void answer(qb_ipcs_connection_t* connection, std::span<const std::byte> message) {
  const qb_ipc_response_header header = {
      .id = message_id,
      .size = static_cast<std::int32_t>(sizeof header + message.size()),
      .error = 0};
  const iovec parts[] = {part_of(&header, sizeof header), part_of(message.data(), message.size())};
  ssize_t sent;
  while ((sent = qb_ipcs_response_sendv(connection, parts, 2)) == -EAGAIN) ::sched_yield();
  taken(sent, "qb_ipcs_response_sendv");
}

/// What is thrown here passes through the library, and ends the process.
std::int32_t take(qb_ipcs_connection_t* connection, void* request, std::size_t bytes) {
  const auto message = std::span(static_cast<const std::byte*>(request), bytes)
                           .subspan(sizeof(qb_ipc_request_header));
  if (static_cast<Receiver*>(qb_ipcs_context_get(connection))->take(message)) {
    answer(connection, message);
  }
  return 0;
}

qb_ipcs_poll_handlers loop_handlers() {
  return {
      .job_add = [](auto priority, auto* what,
                    auto job) { return qb_loop_job_add(loop, priority, what, job); },
      .dispatch_add =
          [](auto priority, auto file, auto events, auto* what, auto dispatch) {
            return qb_loop_poll_add(loop, priority, file, events, what, dispatch);
          },
      .dispatch_mod =
          [](auto priority, auto file, auto events, auto* what, auto dispatch) {
            return qb_loop_poll_mod(loop, priority, file, events, what, dispatch);
          },
      .dispatch_del = [](auto file) { return qb_loop_poll_del(loop, file); },
  };
}

class LibqbWay final : public Way {
 public:
  explicit LibqbWay(qb_ipc_type transport) : transport_(transport) {}

  void serve(const std::function<void()>& ready) override {
    // Where it keeps its rings, and the names of its datagram sockets.
    sweep_when_this_ends([beginning = "qb-" + std::to_string(::getpid()) + "-"] {
      remove_beginning("/dev/shm", beginning);
    });
    loop = qb_loop_create();
    served = &task();
    qb_ipcs_service_handlers handlers = {.connection_accept = nullptr,
                                         .connection_created = greet,
                                         .msg_process = take,
                                         .connection_closed = nullptr,
                                         .connection_destroyed = forget};
    qb_ipcs_poll_handlers in_loop = loop_handlers();
    qb_ipcs_service_t* const service = qb_ipcs_create(name().c_str(), 0, transport_, &handlers);
    demand(service != nullptr, "qb_ipcs_create");
    qb_ipcs_poll_handlers_set(service, &in_loop);
    taken(qb_ipcs_run(service), "qb_ipcs_run");
    ready();
    qb_loop_run(loop);
  }

  std::unique_ptr<Caller> connect(unsigned) override {
    const std::size_t bytes_max = transport_ == QB_IPC_SHM
                                      ? memory_bytes
                                      : libqb_datagram_bytes_max() + sizeof(qb_ipc_response_header);
    return std::make_unique<LibqbCaller>(name(), bytes_max, task().bytes);
  }

 private:
  /// It is not of the file system.
  [[nodiscard]] std::string name() const {
    return std::filesystem::path(task().directory).filename();
  }

  const qb_ipc_type transport_;
};

}  // namespace

std::unique_ptr<Way> make_libqb_way(qb_ipc_type transport) {
  return std::make_unique<LibqbWay>(transport);
}

std::size_t libqb_datagram_bytes_max() {
  const int bytes =
      taken(qb_ipcc_verify_dgram_max_msg_size(memory_bytes), "qb_ipcc_verify_dgram_max_msg_size");
  return static_cast<std::size_t>(bytes) - sizeof(qb_ipc_response_header);
}

}  // namespace bench
