#include <utility>

#include "base/fail.h"
#include "base/no_memory.h"
#include "session/client_state.h"
#include "wire/batch.h"

namespace tincan {

Result<Sender> Client::sender(std::string_view method, const CallOptions& options) {
  if (!state_->may_call(method)) return std::unexpected(state_->why_not(method));
  if (!options.descriptors.empty()) return fail(Cause::usage, "a Sender sends no descriptors");
  return or_no_memory([&]() -> Result<Sender> { return Sender(*state_, method, options); });
}

Sender::Sender(Client::State& client, std::string_view method, const CallOptions& options)
    : client_(&client),
      method_(method),
      options_{.deadline = options.deadline, .idempotent = options.idempotent},
      batch_bytes_(client.batch_bytes()),
      full_bytes_(batch_bytes_),
      memory_(
          std::make_unique_for_overwrite<std::byte[]>(protocol::batch_front_bytes + batch_bytes_)),
      batch_(memory_.get() + protocol::batch_front_bytes) {}

Sender::Sender(Sender&& other) noexcept
    : client_(other.client_),
      method_(std::move(other.method_)),
      options_(other.options_),
      batch_bytes_(other.batch_bytes_),
      full_bytes_(other.full_bytes_),
      memory_(std::move(other.memory_)),
      batch_(other.batch_),
      used_bytes_(std::exchange(other.used_bytes_, 0)),
      messages_(std::exchange(other.messages_, 0)),
      largest_bytes_(std::exchange(other.largest_bytes_, 0)) {}

Sender& Sender::operator=(Sender&& other) noexcept {
  if (this == &other) return *this;
  [[maybe_unused]] const auto unheard = flush();
  client_ = other.client_;
  method_ = std::move(other.method_);
  options_ = other.options_;
  batch_bytes_ = other.batch_bytes_;
  full_bytes_ = other.full_bytes_;
  memory_ = std::move(other.memory_);
  batch_ = other.batch_;
  used_bytes_ = std::exchange(other.used_bytes_, 0);
  messages_ = std::exchange(other.messages_, 0);
  largest_bytes_ = std::exchange(other.largest_bytes_, 0);
  return *this;
}

Sender::~Sender() { [[maybe_unused]] const auto unheard = flush(); }

void Sender::clear() { used_bytes_ = messages_ = largest_bytes_ = 0; }

Result<void> Sender::add_after_flush(std::span<const std::byte> message) {
  if (auto flushed = flush(); !flushed) return flushed;
  if (length_bytes + message.size() > full_bytes_) return send_alone(message);
  put(message);
  return {};
}

Result<void> Sender::send(std::span<const std::byte> message) {
  if (messages_ == 0) return send_alone(message);
  if (auto added = add(message); !added) return added;
  return flush();
}

Result<void> Sender::send_alone(std::span<const std::byte> message) {
  auto sent = or_no_memory([&] { return client_->call(method_, message, options_, true); });
  if (!sent) return std::unexpected(std::move(sent.error()));
  return {};
}

Result<void> Sender::flush() {
  if (messages_ == 0) return {};
  auto sent = or_no_memory([&]() -> Result<void> {
    const auto in_ring =
        client_->send_batch(method_, {batch_, used_bytes_}, largest_bytes_, options_);
    if (!in_ring) return std::unexpected(in_ring.error());
    full_bytes_ = *in_ring ? batch_bytes_ / 2 : batch_bytes_;
    return {};
  });
  if (!sent && sent.error().cause() == Cause::unsupported) sent = send_one_by_one();
  clear();
  return sent;
}

/// To a server of an earlier version.
Result<void> Sender::send_one_by_one() {
  std::span<const std::byte> rest(batch_, used_bytes_);
  while (!rest.empty()) {
    if (auto sent = send_alone(wire::take_message(rest)); !sent) return sent;
  }
  return {};
}

}  // namespace tincan
