#include "session/teardown.h"

#include <memory>
#include <new>
#include <utility>

#include "os/background.h"
#include "session/loop.h"

namespace tincan::session {

namespace {

using Mappings = std::vector<os::Mapping>;

void unmap(void* mappings) { delete static_cast<Mappings*>(mappings); }

bool takes_long(const Mappings& mappings) {
  std::size_t bytes = 0;
  for (const os::Mapping& mapping : mappings) bytes += mapping.bytes().size();
  return bytes > teardown_bytes_on_loop_max;
}

}  // namespace

void tear_down(Mappings&& mappings) noexcept {
  Mappings taken(std::move(mappings));
  if (Loop::current() == nullptr || !takes_long(taken)) return;
  std::unique_ptr<Mappings> parcel(new (std::nothrow) Mappings(std::move(taken)));
  // Without a place for a thread the loop has to do it after all.
  if (parcel && os::run_apart(unmap, parcel.get())) {
    [[maybe_unused]] const Mappings* const of_the_thread = parcel.release();
  }
}

void tear_down(os::Mapping&& mapping) noexcept {
  os::Mapping taken(std::move(mapping));
  if (taken.bytes().size() <= teardown_bytes_on_loop_max || Loop::current() == nullptr) return;
  try {
    Mappings one;
    one.push_back(std::move(taken));
    tear_down(std::move(one));
  } catch (const std::bad_alloc&) {
    // Then it is taken down here.
  }
}

}  // namespace tincan::session
