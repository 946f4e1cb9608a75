#include <utility>

#include "session/loop.h"
#include "session/service.h"

// The requests of a loop: taken from its free list, run, answered, and taken back.

namespace tincan::session {

namespace {

/// Requests kept for use again. Chosen: one connection's calls in flight.
constexpr std::size_t free_requests_max = 1024;

/// Empty when there is no memory for it.
std::string words_for(const char* thrown) noexcept {
  try {
    return std::string("the handler threw: ") + thrown;
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace

const MethodEntry* Loop::find(std::string_view method) {
  if (last_found_ != nullptr && last_found_->name == method) return last_found_;
  const MethodEntry* const entry = service_.find(method);
  // The name of a handler for any method is no method's name.
  if (entry != nullptr && entry->name == method) last_found_ = entry;
  return entry;
}

RequestState* Loop::new_request(std::string_view method) {
  RequestState* request = free_requests_;
  if (request != nullptr) {
    request->method = method;  // which may throw, so it stays in the list until then
    free_requests_ = request->next_in_mailbox;
    --free_requests_count_;
  } else {
    auto made = std::make_unique<RequestState>(mailbox_);
    made->method = method;
    request = made.release();
  }
  request->owners.store(2, std::memory_order_relaxed);
  request->abandoned.store(false, std::memory_order_relaxed);
  request->answered = request->delivered = request->dropped = false;
  return request;
}

void Loop::run_handler(RequestState& request) {
  // With a deadline to be judged, the clock was read a moment ago.
  handler_start_ = request.deadline.is_never() ? read_clock() : clock_;
  running_ = request.entry;
  request.running = true;
  std::string thrown;
  wire::Reason reason = wire::Reason::dropped;
  try {
    request.entry->handler(Request(&request));
  } catch (const std::exception& exception) {
    reason = wire::Reason::threw;
    thrown = words_for(exception.what());
  } catch (...) {
    reason = wire::Reason::threw;
    thrown = words_for("something that is no std::exception");
  }
  if (service_.is_forked()) {
    if (request.connection != nullptr) request.connection->leave_to_parent();
    return;
  }
  request.running = false;
  if (request.dropped && request.connection != nullptr && !request.delivered) {
    const std::string_view text = reason == wire::Reason::threw
                                      ? std::string_view(thrown)
                                      : "the handler dropped the request unanswered";
    request.connection->fail(request, {.reason = reason, .text = text});
  }
  if (request.dropped || request.one_way) request.delivered = true;
  if (request.delivered) let_go(request);
}

void Loop::run_batch_handler(const MethodEntry& entry, Connection& connection,
                             const protocol::IncomingBatch& batch) {
  handler_start_ = batch.deadline.is_never() ? read_clock() : clock_;
  running_ = &entry;
  try {
    entry.batch_handler(Batch(batch.method, connection.peer(), to_time_point(batch.deadline),
                              batch.bytes, batch.messages, batch.has_lengths));
  } catch (...) {
    // Nobody waits to be told.
  }
  if (service_.is_forked()) connection.leave_to_parent();
}

/// The payload lies in memory of the caller's, which is looked at no more.
void Loop::end_view(RequestState& request) {
  const HeldView view = std::move(request.view);
  if (request.connection != nullptr) request.connection->end_view(*view);
}

/// The loop lets go when it has the answer.
void Loop::let_go(RequestState& request) {
  // The last one has nobody to tell.
  const bool is_last = request.owners.load(std::memory_order_acquire) == 1;
  if (is_last || request.owners.fetch_sub(1, std::memory_order_acq_rel) == 1) take_back(request);
}

/// Nobody but this thread can let go besides: it is the loop's other half.
void Loop::let_go_of_handle(RequestState& request) {
  const bool is_last = request.owners.load(std::memory_order_relaxed) == 1;
  is_last ? take_back(request) : request.owners.store(1, std::memory_order_relaxed);
}

void Loop::take_back(RequestState& request) {
  if (request.view != nullptr) [[unlikely]]
    end_view(request);
  if (request.account != nullptr) {
    service_.quota.discharge_orphan(*std::exchange(request.account, nullptr),
                                    request.payload.bytes().size());
  }
  if (request.connection != nullptr) {
    request.connection->forget(request);
    request.connection = nullptr;  // its peer is kept, for the next request is often of the same
  } else {
    request.peer = Peer();
  }
  request.payload = Payload();
  request.descriptors.clear();
  if (free_requests_count_ >= free_requests_max) {
    delete &request;
    return;
  }
  request.next_in_mailbox = free_requests_;
  free_requests_ = &request;
  ++free_requests_count_;
}

void Loop::empty_mailbox() {
  Mailbox::Contents contents = mailbox_->empty();
  while (RequestState* const request = contents.requests) {
    contents.requests = request->next_in_mailbox;
    if (request->delivered) {  // the handle was the last to let go
      take_back(*request);
      continue;
    }
    request->delivered = true;
    if (request->connection != nullptr) {
      request->connection->answer(*request, request->answer, request->answer.text);
    } else if (!request->one_way) {
      LoopCounts::bump(counts.undeliverable);
    }
    request->answer = RequestState::Answer();
    let_go(*request);
  }
  for (Newcomer& newcomer : contents.newcomers) add(std::move(newcomer));
}

}  // namespace tincan::session
