#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "os/memory.h"
#include "os/process.h"
#include "tincan/descriptor.h"

/// Memory that is handed over in place of a payload: how it is made, and what is asked of memory
/// that comes from somebody else. docs/wire-format.md, *Handing over*, gives the reasons.
namespace tincan::transport {

/// As its owner has it: built in place, then handed over.
class LoanMemory {
 public:
  LoanMemory() = default;
  /// Every page of it is there, and ours to pay.
  /// Errors: no memory, no descriptor; the kernel has no memory files or forbids them.
  [[nodiscard]] static os::Sys<LoanMemory> make(std::size_t bytes, Handover kind);

  /// Where it is built; empty once it is sealed.
  [[nodiscard]] std::span<std::byte> bytes() const { return mapping_.bytes(); }
  /// Of immutable memory: from now on nobody can write to it. Takes the mapping down, which takes
  /// its time. Errors: somebody else has it mapped for writing.
  [[nodiscard]] os::Sys<void> seal();
  /// To be handed over. A forked child does not have it, as it does not have the mapping.
  [[nodiscard]] const Descriptor& file() const { return file_.descriptor(); }
  /// Nobody is to be handed it any more.
  void close_file() { file_.reset(); }
  /// Nothing of it is needed any more but what others have of it: to be taken down.
  [[nodiscard]] os::CloseInChild release_file() { return std::move(file_); }
  [[nodiscard]] os::Mapping release_mapping() { return std::move(mapping_); }

 private:
  os::CloseInChild file_;
  os::Mapping mapping_;
};

/// What a peer has handed over, mapped for reading, the first `bytes` of it. It is refused, with a
/// reason to tell the peer, unless no page of it can go missing, and nobody can write to it who is
/// not allowed to.
[[nodiscard]] std::expected<os::Mapping, std::string> map_loan(const Descriptor& file,
                                                               Handover kind, std::uint64_t bytes);

}  // namespace tincan::transport
