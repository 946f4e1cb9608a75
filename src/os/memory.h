#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "os/result.h"
#include "tincan/descriptor.h"

/// Memory that two processes share: memfd_create(2), its seals, mmap(2).
namespace tincan::os {

/// A file in memory without a name, of `bytes`, every page of it there and charged to us: a page
/// that is missing could kill whoever touches it (SIGBUS). Close-on-exec, not sealed yet.
[[nodiscard]] Sys<Descriptor> memory_file(std::size_t bytes);
/// What a file in memory is sealed against, for ever: the F_SEAL_… of fcntl(2).
enum Seal : unsigned {
  no_more_seals = 1,    ///< F_SEAL_SEAL
  no_shrinking = 2,     ///< F_SEAL_SHRINK
  no_growing = 4,       ///< F_SEAL_GROW
  no_writing = 8,       ///< F_SEAL_WRITE
  no_new_writers = 16,  ///< F_SEAL_FUTURE_WRITE: mappings that are there already may go on.
};
/// Adds `seals` to those it has.
[[nodiscard]] Sys<void> seal(int file, unsigned seals);
/// Those it has, others than the above too. EINVAL for what cannot have any: no file in memory.
[[nodiscard]] Sys<unsigned> seals_of(int file);
/// Whether it lies in tmpfs, as the files of memory_file do; huge pages, for one, do not.
[[nodiscard]] Sys<bool> is_in_tmpfs(int file);
/// Whether each of the first `bytes` is on a page that is there and was touched once: pages that
/// were allocated and never touched look like holes. Cost: some 20 ns a page.
[[nodiscard]] Sys<bool> has_all_pages(int file, std::size_t bytes);
/// Gives the pages from `offset` on back, whoever was charged for them; what is read there from now
/// on is zero.
[[nodiscard]] Sys<void> punch_out(int file, std::size_t offset, std::size_t bytes);

/// A file in memory as it lies in this process, shared with others. A forked child does not have
/// it: reading there would kill it. Unmapping a large one takes milliseconds (60 µs a MiB).
class Mapping {
 public:
  Mapping() = default;
  /// The first `bytes` of `file`, which the mapping does not need any more afterwards. Every page
  /// is in the page table, so that no later access finds one missing, and has been touched.
  [[nodiscard]] static Sys<Mapping> readable(int file, std::size_t bytes);
  [[nodiscard]] static Sys<Mapping> writable(int file, std::size_t bytes);
  /// The same for large ones, in microseconds: the page table is filled as pages are read.
  [[nodiscard]] static Sys<Mapping> readable_by_and_by(int file, std::size_t bytes);
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping();

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
  /// Keeps its pages in memory for as long as it is mapped: none is ever written to a disk and read
  /// back. Errors: ENOMEM, EPERM RLIMIT_MEMLOCK is too low; see describe_lock_shortage.
  [[nodiscard]] Sys<void> lock() const;

 private:
  [[nodiscard]] static Sys<Mapping> map(int file, std::size_t bytes, int protection);
  [[nodiscard]] static Sys<Mapping> make(int file, std::size_t bytes, int protection);
  std::span<std::byte> bytes_;
};

}  // namespace tincan::os
