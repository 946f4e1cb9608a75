#include "os/memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/process.h"
#include "os/seam.h"

#ifndef MFD_NOEXEC_SEAL  // linux/memfd.h since 6.3
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MADV_POPULATE_READ  // asm-generic/mman-common.h since 5.14
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace tincan::os {

namespace {

/// Reads from each page.
void touch(std::span<const std::byte> bytes) {
  static constexpr std::size_t page_bytes = 4096;
  for (std::size_t at = 0; at < bytes.size(); at += page_bytes) {
    [[maybe_unused]] const std::byte read = *static_cast<const volatile std::byte*>(&bytes[at]);
  }
}

}  // namespace

static_assert(no_more_seals == F_SEAL_SEAL && no_shrinking == F_SEAL_SHRINK);
static_assert(no_growing == F_SEAL_GROW && no_writing == F_SEAL_WRITE);
static_assert(no_new_writers == F_SEAL_FUTURE_WRITE);

Sys<Descriptor> memory_file(std::size_t bytes) {
  if (const int error = before(Call::memfd)) return failed(error);
  // Shown in /proc/PID/maps. Older kernels do not know the last flag, without which the file could
  // be executed, and newer ones may be told to insist on it.
  int number = ::memfd_create("tincan", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (number < 0 && errno == EINVAL) {
    number = ::memfd_create("tincan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  }
  if (number < 0) return failed();
  Descriptor file(number);
  if (const int error = before(Call::allocate)) return failed(error);
  int done = ::fallocate(file.get(), 0, 0, static_cast<off_t>(bytes));
  while (done < 0 && errno == EINTR) {
    done = ::fallocate(file.get(), 0, 0, static_cast<off_t>(bytes));
  }
  if (done < 0) return failed();
  return file;
}

Sys<void> seal(int file, unsigned seals) {
  if (const int error = before(Call::fcntl)) return failed(error);
  return done(::fcntl(file, F_ADD_SEALS, seals));
}

Sys<unsigned> seals_of(int file) {
  if (const int error = before(Call::fcntl)) return failed(error);
  const int seals = ::fcntl(file, F_GET_SEALS);
  if (seals < 0) return failed();
  return static_cast<unsigned>(seals);
}

Sys<bool> is_in_tmpfs(int file) {
  if (const int error = before(Call::fstat)) return failed(error);
  struct statfs system;
  if (::fstatfs(file, &system) < 0) return failed();
  return system.f_type == TMPFS_MAGIC;
}

Sys<bool> has_all_pages(int file, std::size_t bytes) {
  if (const int error = before(Call::fstat)) return failed(error);
  const off_t hole = ::lseek(file, 0, SEEK_HOLE);
  if (hole < 0) return failed();
  return static_cast<std::size_t>(hole) >= bytes;
}

Sys<void> punch_out(int file, std::size_t offset, std::size_t bytes) {
  if (const int error = before(Call::allocate)) return failed(error);
  return done(::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                          static_cast<off_t>(offset), static_cast<off_t>(bytes)));
}

Sys<Mapping> Mapping::readable(int file, std::size_t bytes) { return make(file, bytes, PROT_READ); }

Sys<Mapping> Mapping::writable(int file, std::size_t bytes) {
  return make(file, bytes, PROT_READ | PROT_WRITE);
}

Sys<Mapping> Mapping::readable_by_and_by(int file, std::size_t bytes) {
  return map(file, bytes, PROT_READ);
}

Sys<Mapping> Mapping::map(int file, std::size_t bytes, int protection) {
  if (const int error = before(Call::mmap)) return failed(error);
  Mapping mapping;
  // Two processes must not be the same end of a ring, and what a child can write to is never
  // sealed.
  const NoFork not_between;
  void* const at = ::mmap(nullptr, bytes, protection, MAP_SHARED, file, 0);
  if (at == MAP_FAILED) return failed();
  mapping.bytes_ = {static_cast<std::byte*>(at), bytes};
  if (::madvise(at, bytes, MADV_DONTFORK) < 0) return failed();
  return mapping;
}

Sys<Mapping> Mapping::make(int file, std::size_t bytes, int protection) {
  auto mapping = map(file, bytes, protection);
  if (!mapping) return mapping;
  std::byte* const at = mapping->bytes().data();
  // The pages are there; this fills the page table, so that no call finds them missing.
  const bool writable = (protection & PROT_WRITE) != 0;
  const int advice = writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
  if (::madvise(at, bytes, advice) < 0) touch(mapping->bytes());  // an older kernel
  return mapping;
}

Sys<void> Mapping::lock() const {
  if (const int error = before(Call::mlock)) return failed(error);
  // As mlock, which the sanitizers make do nothing.
  return done(::mlock2(bytes_.data(), bytes_.size(), 0));
}

Mapping::~Mapping() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

}  // namespace tincan::os
