#pragma once

#include <expected>

#include "session/request_state.h"
#include "tincan/failure.h"

/// What all ways of answering a request have in common: request.cc.
namespace tincan::session {

class Loop;

/// The loop that `request` belongs to, if its turn is what runs on this thread.
[[nodiscard]] Loop* loop_of(const RequestState& request);
/// The answer is on the stream, or lost with its connection. (While the handler runs, its caller
/// sees to the rest.)
void answer_delivered(RequestState& request, Loop& loop);
/// Sends `answer`, which is complete, through the mailbox. Without a loop there is nobody to send
/// it to, and nobody who waits.
void post_answer(RequestState& request, RequestState::Answer answer);
/// Whether the caller takes an answer of that size.
[[nodiscard]] inline bool fits(const RequestState& request, std::size_t bytes,
                               std::size_t descriptors) {
  return bytes <= request.reply_bytes_max && descriptors <= request.reply_descriptors_max;
}
/// Answers what does not fit with an error: the handler and the caller get the same words.
[[gnu::cold]] [[nodiscard]] std::unexpected<Failure> misfit(RequestState& request,
                                                            std::size_t bytes,
                                                            std::size_t descriptors);
[[gnu::cold]] [[nodiscard]] std::unexpected<Failure> belongs_to_the_parent();
[[gnu::cold]] [[nodiscard]] std::unexpected<Failure> answered_before();

}  // namespace tincan::session
