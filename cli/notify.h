#pragma once

#include <string_view>

namespace cli {

/// Tells the service manager that started us, if one did: sd_notify(3) without libsystemd.
/// A failure is nobody's business but the manager's, which notices.
void notify_systemd(std::string_view state);

}  // namespace cli
