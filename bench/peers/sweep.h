#pragma once

#include <functional>
#include <string>

namespace bench {

/// For what a library leaves behind when its process is killed: `sweep` runs in a process of its
/// own as soon as this one has ended, however it does. To be called before there are threads.
void sweep_when_this_ends(const std::function<void()>& sweep);

/// Removes what is in `directory` with names that begin so, as far as it can.
void remove_beginning(const std::string& directory, const std::string& beginning);

}  // namespace bench
