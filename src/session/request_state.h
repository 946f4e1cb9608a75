#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/payload.h"
#include "base/time.h"
#include "session/lent_memory.h"
#include "session/views.h"
#include "tincan/peer.h"
#include "tincan/server.h"
#include "wire/body.h"

namespace tincan {

namespace session {
struct Account;
class Connection;
class Mailbox;
struct MethodEntry;
}  // namespace session

/// A request from its arrival until its answer is on the stream and its handle is gone.
///
/// It belongs to one loop, which alone touches `connection` and the links; the handle, perhaps in
/// another thread, reads the rest and comes back through the loop's mailbox. Whoever lets go last
/// gives it back to the loop, which uses it again.
class RequestState {
 public:
  explicit RequestState(std::shared_ptr<session::Mailbox> box) : mailbox(std::move(box)) {}

  /// An answer on its way from another thread.
  struct Answer {
    enum class Kind : std::uint8_t { reply, error, declined };
    Kind kind = Kind::reply;
    Payload payload;
    session::LentHandle loan;  ///< In place of the payload,
    std::uint64_t loan_bytes = 0;
    std::vector<Descriptor> descriptors;
    wire::Reason reason = wire::Reason::declared;
    std::int32_t code = 0;
    std::string text;
  };

  // Fixed while the request is out.
  const std::shared_ptr<session::Mailbox> mailbox;
  std::uint64_t id = 0;
  std::string method;  ///< Recycled with the request, so that it is allocated once.
  const session::MethodEntry* entry = nullptr;
  Payload payload;
  session::HeldView view;  ///< Where the payload lies instead.
  std::uint64_t view_bytes = 0;
  std::vector<Descriptor> descriptors;
  Peer peer;
  Moment deadline;
  bool one_way = false;
  std::size_t descriptors_held = 0;  ///< With which it came, whoever has them now.
  std::uint64_t reply_bytes_max = 0;
  std::uint32_t reply_descriptors_max = 0;
  std::shared_ptr<session::LoanPool> loans;  ///< Null: the caller is lent nothing.

  // Of the handle.
  bool answered = false;

  // Shared.
  std::atomic<bool> abandoned = false;   ///< Set by the loop; read by the handle.
  std::atomic<std::uint8_t> owners = 0;  ///< The handle, and the loop until it has the answer.

  // Through the mailbox.
  Answer answer;
  RequestState* next_in_mailbox = nullptr;

  // Of the loop.
  session::Connection* connection = nullptr;  ///< Null once it has closed.
  session::Account* account = nullptr;        ///< Charged for the payload since then.
  RequestState* previous = nullptr;           ///< In the connection's list.
  RequestState* next = nullptr;
  bool delivered = false;  ///< The loop has the answer, or there will be none.
  bool running = false;    ///< Its handler is on the stack.
  bool dropped = false;    ///< The handler let it go, or threw, before it returned.
};

}  // namespace tincan
