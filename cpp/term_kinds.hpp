/// The kinds of angular terms for which loops are compiled apart.
#pragma once

#include "contraction.hpp"
#include "symmetry_groups.hpp"

namespace miniff {

/// How T = (1 + lambda c)^zeta, or a window, is formed: common integers are known when compiling.
enum class PowerKind { one, four, sixteen, integer, real, window };

inline PowerKind power_kind(const AngularTerm& term) {
    const double zeta = term.zeta;
    if (term.is_window()) return PowerKind::window;
    if (zeta == 1) return PowerKind::one;
    if (zeta == 4) return PowerKind::four;
    if (zeta == 16) return PowerKind::sixteen;
    return zeta == static_cast<int>(zeta) ? PowerKind::integer : PowerKind::real;
}

/// The exponent of a kind that is known when compiling.
constexpr int exponent_of(PowerKind kind) {
    return 1 << 2 * static_cast<int>(kind);
}

/// x^(zeta - less) with less 0 or 1; x may be as little as minus a rounding error.
template <PowerKind Kind, int Less, class T>
MINIFF_INLINE Pack<T> power_of(Pack<T> x, double zeta) {
    if constexpr (Kind == PowerKind::real)
        return real_power<T>(x, zeta - Less);
    else if constexpr (Kind == PowerKind::integer)
        return integer_power<T>(x, static_cast<int>(zeta) - Less);
    else
        return integer_power<T>(x, exponent_of(Kind) - Less);
}

/// Calls use(Constant<kind>) for the kind of a term.
template <class Use>
MINIFF_INLINE void with_power(const AngularTerm& term, Use use) {
    switch (power_kind(term)) {
        case PowerKind::one:
            return use(detail::Constant<0>{});
        case PowerKind::four:
            return use(detail::Constant<1>{});
        case PowerKind::sixteen:
            return use(detail::Constant<2>{});
        case PowerKind::integer:
            return use(detail::Constant<3>{});
        case PowerKind::real:
            return use(detail::Constant<4>{});
        default:
            return use(detail::Constant<5>{});
    }
}

}  // namespace miniff
