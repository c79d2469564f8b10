#include "base/nearest.h"

#include <algorithm>
#include <array>

namespace hauberk {
namespace {
constexpr std::size_t longest = 64;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  if (a.size() > longest || b.size() > longest) return 2 * longest;
  // Three rows of the table: a swap of neighbours looks two rows back.
  std::array<std::array<std::size_t, longest + 1>, 3> rows{};
  for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i + 2) % 3];
    const auto& two_above = rows[(i + 1) % 3];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], two_above[j - 2] + 1);
    }
  }
  return rows[a.size() % 3][b.size()];
}

std::optional<std::string_view> nearest(std::string_view written, std::span<const std::string_view> names) {
  std::optional<std::string_view> best;
  std::size_t best_distance = 2 * longest;
  for (const auto name : names) {
    const auto distance = edit_distance(written, name);
    if (distance >= best_distance || distance > std::max<std::size_t>(1, name.size() / 3)) continue;
    best = name;
    best_distance = distance;
  }
  return best;
}

}  // namespace hauberk
