#include "transport/ring_memory.h"

#include <new>
#include <utility>

#include "base/check.h"
#include "os/file.h"
#include "os/shortage.h"

namespace tincan::transport {

namespace {

constexpr unsigned fixed_size = os::no_shrinking | os::no_growing | os::no_more_seals;

/// Why `file` is not a memory of `bytes` with `wanted` seals and without `unwanted` ones; empty
/// when it is.
std::string fault_of(const Descriptor& file, unsigned wanted, unsigned unwanted,
                     std::size_t bytes) {
  const auto seals = os::seals_of(file.get());
  if (!seals) return "no file in memory that can be sealed";
  if ((*seals & wanted) != wanted) return "not sealed as it has to be";
  if ((*seals & unwanted) != 0) return "sealed against being written";
  if (os::is_in_tmpfs(file.get()) != true) return "not in tmpfs";
  const auto status = os::status_of(file.get());
  if (!status || !S_ISREG(status->st_mode)) return "no file in memory";
  if (status->st_size != static_cast<off_t>(bytes)) return "of another size";
  // A page that is missing would be ours to pay, for as long as the peer keeps the file. How many
  // there are (st_blocks) says nothing: some may lie beyond the end.
  if (os::has_all_pages(file.get(), bytes) != true) return "without all of its pages";
  return {};
}

}  // namespace

os::Sys<RingMemory::Made> RingMemory::make(std::size_t capacity_bytes) {
  TINCAN_CHECK(ring::is_capacity(capacity_bytes));
  const std::size_t bytes = memory_bytes(capacity_bytes);
  auto to_server = os::memory_file(bytes);
  if (!to_server) return std::unexpected(to_server.error());
  auto to_client = os::memory_file(bytes);
  if (!to_client) return std::unexpected(to_client.error());
  auto out = os::Mapping::writable(to_server->get(), bytes);
  if (!out) return std::unexpected(out.error());
  auto in = os::Mapping::readable(to_client->get(), bytes);
  if (!in) return std::unexpected(in.error());
  new (out->bytes().data()) ring::Words;
  // Mapped before it is sealed: ours is the last mapping that can be written.
  if (auto sealed = os::seal(to_server->get(), fixed_size | os::no_new_writers); !sealed) {
    return std::unexpected(sealed.error());
  }
  if (auto sealed = os::seal(to_client->get(), fixed_size); !sealed) {
    return std::unexpected(sealed.error());
  }
  return Made{RingMemory(std::move(*out), std::move(*in), Descriptor()),
              Files{std::move(*to_server), std::move(*to_client)}};
}

std::expected<RingMemory, std::string> RingMemory::take(Files files, std::size_t capacity_bytes) {
  if (!ring::is_capacity(capacity_bytes)) return std::unexpected("no size for a ring");
  const std::size_t bytes = memory_bytes(capacity_bytes);
  if (auto fault = fault_of(files.to_server, fixed_size | os::no_new_writers, 0, bytes);
      !fault.empty()) {
    return std::unexpected("the memory to the server is " + fault);
  }
  if (auto fault =
          fault_of(files.to_client, fixed_size, os::no_writing | os::no_new_writers, bytes);
      !fault.empty()) {
    return std::unexpected("the memory to the client is " + fault);
  }
  auto in = os::Mapping::readable(files.to_server.get(), bytes);
  auto out = os::Mapping::writable(files.to_client.get(), bytes);
  if (!in || !out) {
    return std::unexpected("the memory cannot be mapped: " +
                           os::describe_shortage((!in ? in : out).error().code));
  }
  new (out->bytes().data()) ring::Words;
  return RingMemory(std::move(*out), std::move(*in), std::move(files.to_client));
}

os::Sys<void> RingMemory::lock() const {
  if (auto locked = out_.lock(); !locked) return locked;
  return in_.lock();
}

ring::Words& RingMemory::words() { return *reinterpret_cast<ring::Words*>(out_.bytes().data()); }

const ring::Words& RingMemory::peer_words() const {
  return *reinterpret_cast<const ring::Words*>(in_.bytes().data());
}

ring::End RingMemory::end() {
  return {words(), peer_words(), out_.bytes().subspan(ring::ring_offset_bytes),
          in_.bytes().subspan(ring::ring_offset_bytes)};
}

void RingMemory::punch_out_ring() {
  if (!out_file_) return;
  [[maybe_unused]] const auto punched =
      os::punch_out(out_file_.get(), ring::ring_offset_bytes, capacity_bytes());
}

void RingMemory::punch_out() {
  if (!out_file_) return;
  [[maybe_unused]] const auto punched = os::punch_out(out_file_.get(), 0, out_.bytes().size());
}

}  // namespace tincan::transport
