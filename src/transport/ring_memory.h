#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "os/memory.h"
#include "ring/end.h"

/// The two memories of a pair of rings: how they are made, and what is asked of those that come
/// from somebody else. docs/ring-layout.md gives the reasons.
namespace tincan::transport {

/// Bytes of the file that holds a ring of `capacity_bytes` and its side's words.
[[nodiscard]] constexpr std::size_t memory_bytes(std::size_t capacity_bytes) {
  return ring::ring_offset_bytes + capacity_bytes;
}

/// A pair of rings as one side has it in its memory.
class RingMemory {
 public:
  /// The files, for the server: sealed.
  struct Files {
    Descriptor to_server;  ///< Written by the client alone, by whom else it may be opened.
    Descriptor to_client;
  };
  struct Made;

  /// The client's: it makes both and pays for both. `capacity_bytes`: see ring::is_capacity.
  /// Errors: no memory, no descriptor; the kernel has no memory files or forbids them.
  [[nodiscard]] static os::Sys<Made> make(std::size_t capacity_bytes);
  /// The server's, of files that a client sent. They are refused, with a reason to tell it, unless
  /// no page of them can go missing, nobody but their maker can write what we read, and neither
  /// costs us memory.
  [[nodiscard]] static std::expected<RingMemory, std::string> take(Files files,
                                                                   std::size_t capacity_bytes);

  RingMemory(RingMemory&&) = default;
  RingMemory& operator=(RingMemory&&) = default;
  ~RingMemory() = default;

  /// Keeps both memories from being paged out. Errors: as os::Mapping::lock.
  [[nodiscard]] os::Sys<void> lock() const;

  [[nodiscard]] ring::End end();
  [[nodiscard]] ring::Words& words();
  [[nodiscard]] const ring::Words& peer_words() const;
  [[nodiscard]] std::size_t capacity_bytes() const {
    return out_.bytes().size() - ring::ring_offset_bytes;
  }
  /// It is the server's, who has taken what a client made.
  [[nodiscard]] bool was_taken() const { return static_cast<bool>(out_file_); }
  /// Of the server, when nobody reads its ring any more: its pages go back. The client could
  /// otherwise take pages away again and again and leave those that we fault in to us, for as long
  /// as it keeps the file. Our words stay: the client may still look whether the ring is revoked.
  void punch_out_ring();
  /// The words too, once there is no client.
  void punch_out();

 private:
  RingMemory(os::Mapping out, os::Mapping in, Descriptor out_file)
      : out_(std::move(out)), in_(std::move(in)), out_file_(std::move(out_file)) {}

  os::Mapping out_;
  os::Mapping in_;
  Descriptor out_file_;  ///< The server's.
};

struct RingMemory::Made {
  RingMemory memory;
  Files files;
};

}  // namespace tincan::transport
