#include "protocol/outbox.h"

#include <cstring>

#include "base/check.h"

namespace tincan::protocol {

namespace {
/// Written bytes at the front are cut off when there are this many. Chosen: a fragment, so that
/// moving the rest to the front costs less than having written them.
constexpr std::size_t compaction_bytes = 64 * 1024;
}  // namespace

bool Outbox::patch(std::uint64_t position, std::span<const std::byte> bytes) {
  if (position < written_) return false;
  TINCAN_CHECK(position + bytes.size() <= this->position());
  std::memcpy(bytes_.start() + head_ + (position - written_), bytes.data(), bytes.size());
  return true;
}

Outbox::Chunk Outbox::up_to_next_mark(Chunk chunk) const {
  for (const Mark& mark : marks_) {
    if (mark.position == written_ && !mark.is_stop) {
      chunk.descriptors = mark.descriptors;
    } else {
      chunk.bytes = chunk.bytes.first(mark.position - written_);
      break;
    }
  }
  return chunk;
}

void Outbox::advance_partly(std::size_t count) {
  if (count == 0) return;
  TINCAN_CHECK(count <= unsent_bytes());
  if (!marks_.empty() && marks_.front().position == written_) marks_.erase(marks_.begin());
  written_ += count;
  if (!lent_.empty()) {
    lent_ = lent_.subspan(count);
    return;
  }
  head_ += count;
  if (head_ == bytes_.size()) {
    bytes_.clear();
    head_ = 0;
  } else if (head_ >= compaction_bytes && head_ >= bytes_.size() - head_) {
    bytes_.erase_front(head_);
    head_ = 0;
  }
}

}  // namespace tincan::protocol
