#include "transport/loan_memory.h"

#include <utility>

#include "os/file.h"

namespace tincan::transport {

namespace {

constexpr unsigned size_seals = os::no_shrinking | os::no_growing;
constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t block_bytes = 512;

bool is_sealed(unsigned seals, Handover kind) {
  if ((seals & size_seals) != size_seals) return false;
  if (kind == Handover::immutable) return (seals & os::no_writing) != 0;
  return (seals & (os::no_new_writers | os::no_writing)) != 0;
}

/// Why `file` is no such memory of `bytes`; empty when it is.
std::string fault_of_loan(const Descriptor& file, Handover kind, std::uint64_t bytes) {
  const auto seals = os::seals_of(file.get());
  if (!seals) return "it is no file in memory that can be sealed";
  if (!is_sealed(*seals, kind)) return "it is not sealed as it has to be";
  if (os::is_in_tmpfs(file.get()) != true) return "it is not in tmpfs";
  const auto status = os::status_of(file.get());
  if (!status || !S_ISREG(status->st_mode)) return "it is no file in memory";
  if (static_cast<std::uint64_t>(status->st_size) != bytes) return "it is of another size";
  // With a hole, the page would be ours to pay.
  const std::uint64_t pages = bytes / page_bytes + (bytes % page_bytes != 0);
  if (static_cast<std::uint64_t>(status->st_blocks) < pages * (page_bytes / block_bytes)) {
    return "it is without all of its pages";
  }
  return {};
}

}  // namespace

os::Sys<LoanMemory> LoanMemory::make(std::size_t bytes, Handover kind) {
  LoanMemory memory;
  auto file = os::memory_file(bytes);
  if (!file) return std::unexpected(file.error());
  auto mapping = os::Mapping::writable(file->get(), bytes);
  if (!mapping) return std::unexpected(mapping.error());
  memory.file_.reset(std::move(*file));
  memory.mapping_ = std::move(*mapping);
  if (kind == Handover::shared_view) {
    // Mapped before it is sealed: ours is the last mapping that can be written.
    const unsigned seals = size_seals | os::no_new_writers | os::no_more_seals;
    if (auto sealed = os::seal(memory.file_.get(), seals); !sealed) {
      return std::unexpected(sealed.error());
    }
  }
  return memory;
}

os::Sys<void> LoanMemory::seal() {
  mapping_ = os::Mapping();
  return os::seal(file_.get(), size_seals | os::no_writing | os::no_more_seals);
}

std::expected<os::Mapping, std::string> map_loan(const Descriptor& file, Handover kind,
                                                 std::uint64_t bytes) {
  if (auto fault = fault_of_loan(file, kind, bytes); !fault.empty()) return std::unexpected(fault);
  auto mapping = os::Mapping::readable_by_and_by(file.get(), bytes);
  if (!mapping) return std::unexpected("it cannot be mapped");
  return std::move(*mapping);
}

}  // namespace tincan::transport
