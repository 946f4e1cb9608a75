#include "session/take_over.h"

#include <utility>

#include "base/fail.h"
#include "session/client_state.h"

namespace tincan::session {

namespace {

std::unexpected<Failure> not_handed_over(const Address& address, Failure why) {
  if (why.outcome() == Outcome::declared) {
    return fail(Cause::held, address.text() + ": " + why.detail());
  }
  if (why.cause() == Cause::closed || why.cause() == Cause::draining) {
    return fail(why.cause(),
                address.text() + ": its server ended while it was asked for the path; start again");
  }
  return std::unexpected(std::move(why));
}

/// Asks the living server at `address` for its listener and lock.
Result<Claimed> ask_for_path(const Address& address, const ListenOptions& options) {
  auto state = std::make_unique<Client::State>(address, ClientOptions{.descriptors_max = 8}, true);
  if (auto connected = state->connect(); !connected) {
    return std::unexpected(std::move(connected.error()));
  }
  Client predecessor(std::move(state));
  auto reply = predecessor.call("tincan.take_over");
  if (!reply) return not_handed_over(address, std::move(reply.error()));
  auto adopted = path::Claim::adopt(address, options, std::move(reply->descriptors()));
  if (!adopted) return std::unexpected(std::move(adopted.error()));
  return Claimed{std::move(*adopted), std::move(predecessor)};
}

}  // namespace

Result<Claimed> claim(const Address& address, const ListenOptions& options) {
  auto claimed = path::Claim::make(address, options);
  if (claimed) return Claimed{std::move(*claimed), std::nullopt};
  if (claimed.error().cause() == Cause::held && options.take_over) {
    return ask_for_path(address, options);
  }
  return std::unexpected(std::move(claimed.error()));
}

}  // namespace tincan::session
