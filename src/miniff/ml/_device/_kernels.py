"""Sums over pairs of neighbours as kernels of Triton, which keep nothing of a pair in memory.

    G[b, a, z] = sum_{j != k} p_f(j) p_s(k) w x^zeta,   x = (1 + lambda u_j u_k) / 2,

for couples b = (f, s) of legs p, lambdas a and exponents z, of all centres. If the sums are narrow,
w = exp(-eta (d - shift)^2) fc(d) of the distance d between j and k, with the cutoff function that
is half a cosine; otherwise it is 1. A program has one centre, a block of j and some couples. It
goes over k in blocks, with the j in the lanes of a warp and the k in the registers of a lane, so
that lanes have nothing to tell each other until the end. torch brings Triton along where there is
CUDA: see https://triton-lang.org and P. Tillet, H. T. Kung and D. Cox, MAPL (2019),
https://doi.org/10.1145/3315508.3329973
"""

# mypy: ignore-errors
# ruff: noqa: RUF005

import triton
import triton.language as tl

__all__ = ["pair_power_slopes", "pair_power_sums"]


@triton.jit
def _power(x, N: tl.constexpr):
    """x^N by repeated squaring."""
    result = tl.full(x.shape, 1.0, x.dtype)
    square = x
    for bit in tl.static_range(7):
        if (N >> bit) & 1:
            result = result * square
        if N >> (bit + 1):
            square = square * square
    return result


@triton.jit
def _zeros(like, N: tl.constexpr):
    found = ()
    for _ in tl.static_range(N):
        found = found + (like * 0.0,)
    return found


@triton.jit
def _at(row, places, n):
    """Numbers of some places; 0 beyond the last."""
    return tl.load(row + places, mask=places < n, other=0.0)


@triton.jit
def _vectors(units, places, n):
    """x, y and z at some places."""
    return _at(units, places, n), _at(units + n, places, n), _at(units + 2 * n, places, n)


@triton.jit
def _own(CHUNK: tl.constexpr, LANES: tl.constexpr):
    """The centre of a program, the first of its couples, and its j."""
    j = tl.program_id(1) * LANES + tl.arange(0, LANES)
    return tl.program_id(0).to(tl.int64), tl.program_id(2) * CHUNK, j


@triton.jit
def _rows(legs, of_couple, places, n, N: tl.constexpr):
    """The legs of some couples at some places."""
    found = ()
    for b in tl.static_range(N):
        found = found + (_at(legs + tl.load(of_couple + b) * n, places, n),)
    return found


@triton.jit
def _cosines(units, xj, yj, zj, k, n):
    """Those of [k, j], and the unit vectors of k."""
    xk, yk, zk = _vectors(units, k, n)
    found = xk[:, None] * xj[None, :] + yk[:, None] * yj[None, :] + zk[:, None] * zj[None, :]
    return found, xk, yk, zk


@triton.jit
def _squares(cosine, rj, rk):
    """Of the distances of [k, j]; those of places that are not taken may be the same place."""
    found = (
        rk[:, None] * rk[:, None] + (rj * rj)[None, :] - 2.0 * rk[:, None] * rj[None, :] * cosine
    )
    return tl.maximum(found, 1e-12)


@triton.jit
def _series(square, SHIFT: tl.constexpr):
    """sin(x)/x (1) or cos(x) (-1) for x from 0 to half of pi, where x need not be reduced."""
    N: tl.constexpr = 11 if square.dtype == tl.float64 else 7
    found = tl.full(square.shape, 1.0, square.dtype)
    for i in tl.static_range(N):
        found = 1.0 - square * (1.0 / (2 * (N - i) * (2 * (N - i) + SHIFT))) * found
    return found


@triton.jit
def _gap(d, third):
    """Half of pi, at d = 0, to 0, at the cutoff and beyond."""
    return 1.5707963267948966 * tl.maximum(1.0 - d / tl.load(third), 0.0)


@triton.jit
def _gaussian(d, third, couple):
    """exp(-eta (d - shift)^2), and the derivative of minus its exponent."""
    eta, shift = tl.load(third + 1 + 2 * couple), tl.load(third + 2 + 2 * couple)
    return tl.exp(-eta * (d - shift) * (d - shift)), 2.0 * eta * (d - shift)


@triton.jit
def _weighted(cosine, other, weights, halves, ZETAS: tl.constexpr, N_LAMBDAS: tl.constexpr):
    """The weighted sum of all powers and its derivative by the cosine, 0 where j = k."""
    term, slope = cosine * 0.0, cosine * 0.0
    for a in tl.static_range(N_LAMBDAS):
        half = tl.load(halves + a)
        x = 0.5 + half * cosine
        for z in tl.static_range(len(ZETAS)):
            g = tl.load(weights + a * len(ZETAS) + z)
            lower = _power(x, ZETAS[z] - 1)
            term += g * (lower * x)
            slope += g * half * ZETAS[z] * lower
    return tl.where(other, term, 0.0), tl.where(other, slope, 0.0)


@triton.jit
def pair_power_sums(
    units,
    lengths,
    legs,
    first,
    second,
    halves,
    third,
    sums,
    n,
    n_legs,
    n_couples,
    ZETAS: tl.constexpr,
    N_LAMBDAS: tl.constexpr,
    NARROW: tl.constexpr,
    CHUNK: tl.constexpr,
    LANES: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """sums [centre, couple, lambda, zeta] += G"""
    N_ANGLES: tl.constexpr = N_LAMBDAS * len(ZETAS)
    centre, couple, j = _own(CHUNK, LANES)
    first, second = first + couple, second + couple
    u, p = units + centre * 3 * n, legs + centre * n_legs * n
    xj, yj, zj = _vectors(u, j, n)
    if NARROW:
        r = lengths + centre * n
        rj = _at(r, j, n)
    sides = _zeros(xj, CHUNK * N_ANGLES)  # sum_k p_s(k) x^zeta
    for start in range(0, n, COLUMNS):
        k = start + tl.arange(0, COLUMNS)
        cosine, _, _, _ = _cosines(u, xj, yj, zj, k, n)
        other = k[:, None] != j[None, :]
        own = _rows(p, second, k, n, CHUNK)
        if NARROW:
            d = tl.sqrt(_squares(cosine, rj, _at(r, k, n)))
            gap = _gap(d, third)
            root = gap * _series(gap * gap, 1)
        added = ()
        for b in tl.static_range(CHUNK):
            pk = tl.where(other, own[b][:, None], 0.0)
            if NARROW:
                gaussian, _ = _gaussian(d, third, couple + b)
                pk = pk * (gaussian * root * root)
            for a in tl.static_range(N_LAMBDAS):
                x = 0.5 + tl.load(halves + a) * cosine
                for z in tl.static_range(len(ZETAS)):
                    side = tl.sum(pk * _power(x, ZETAS[z]), axis=0)
                    added = added + (sides[(b * N_LAMBDAS + a) * len(ZETAS) + z] + side,)
        sides = added
    pj = _rows(p, first, j, n, CHUNK)
    out = sums + (centre * n_couples + couple) * N_ANGLES
    for b in tl.static_range(CHUNK):
        for t in tl.static_range(N_ANGLES):
            total = tl.sum(pj[b] * sides[b * N_ANGLES + t], axis=0)
            tl.atomic_add(out + b * N_ANGLES + t, total, sem="relaxed")


@triton.jit
def pair_power_slopes(
    units,
    lengths,
    legs,
    first,
    second,
    halves,
    third,
    by_sum,
    by_unit,
    by_length,
    by_leg,
    n,
    n_legs,
    n_couples,
    ZETAS: tl.constexpr,
    N_LAMBDAS: tl.constexpr,
    NARROW: tl.constexpr,
    CHUNK: tl.constexpr,
    LANES: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """by_unit, by_length, by_leg += the derivatives of sum(by_sum G)"""
    N_ANGLES: tl.constexpr = N_LAMBDAS * len(ZETAS)
    centre, couple, j = _own(CHUNK, LANES)
    first, second = first + couple, second + couple
    u, p = units + centre * 3 * n, legs + centre * n_legs * n
    xj, yj, zj = _vectors(u, j, n)
    fj = _rows(p, first, j, n, CHUNK)
    sj = _rows(p, second, j, n, CHUNK)
    weights = by_sum + (centre * n_couples + couple) * N_ANGLES
    by_x, by_y, by_z = xj * 0.0, yj * 0.0, zj * 0.0
    by_f, by_s = _zeros(xj, CHUNK), _zeros(xj, CHUNK)
    if NARROW:
        r = lengths + centre * n
        rj = _at(r, j, n)
        by_r = rj * 0.0
    for start in range(0, n, COLUMNS):
        k = start + tl.arange(0, COLUMNS)
        cosine, xk, yk, zk = _cosines(u, xj, yj, zj, k, n)
        other = k[:, None] != j[None, :]
        fk = _rows(p, first, k, n, CHUNK)
        sk = _rows(p, second, k, n, CHUNK)
        by_cosine = cosine * 0.0
        if NARROW:
            rk = _at(r, k, n)
            d = tl.sqrt(_squares(cosine, rj, rk))
            gap = _gap(d, third)
            root, co_root = gap * _series(gap * gap, 1), _series(gap * gap, -1)
            by_square = cosine * 0.0
        more_f, more_s = (), ()
        for b in tl.static_range(CHUNK):
            own = weights + b * N_ANGLES
            term, slope = _weighted(cosine, other, own, halves, ZETAS, N_LAMBDAS)
            # (j, k) and (k, j) at once: cosine and distance are the same.
            both = fk[b][:, None] * sj[b][None, :] + sk[b][:, None] * fj[b][None, :]
            if NARROW:
                gaussian, fall = _gaussian(d, third, couple + b)
                w = gaussian * root * root
                rise = 3.141592653589793 / tl.load(third) * co_root + fall * root
                by_square -= both * term * gaussian * root * rise / (2.0 * d)
                term, slope = term * w, slope * w
            by_cosine += slope * both
            more_f = more_f + (by_f[b] + tl.sum(term * sk[b][:, None], axis=0),)
            more_s = more_s + (by_s[b] + tl.sum(term * fk[b][:, None], axis=0),)
        by_f, by_s = more_f, more_s
        if NARROW:
            by_cosine -= by_square * 2.0 * rk[:, None] * rj[None, :]
            by_r += tl.sum(by_square * 2.0 * (rj[None, :] - rk[:, None] * cosine), axis=0)
        by_x += tl.sum(by_cosine * xk[:, None], axis=0)
        by_y += tl.sum(by_cosine * yk[:, None], axis=0)
        by_z += tl.sum(by_cosine * zk[:, None], axis=0)
    by_u, by_p = by_unit + centre * 3 * n, by_leg + centre * n_legs * n
    tl.atomic_add(by_u + j, by_x, mask=j < n, sem="relaxed")
    tl.atomic_add(by_u + n + j, by_y, mask=j < n, sem="relaxed")
    tl.atomic_add(by_u + 2 * n + j, by_z, mask=j < n, sem="relaxed")
    if NARROW:
        tl.atomic_add(by_length + centre * n + j, by_r, mask=j < n, sem="relaxed")
    for b in tl.static_range(CHUNK):
        f, s = tl.load(first + b), tl.load(second + b)
        tl.atomic_add(by_p + f * n + j, by_f[b], mask=j < n, sem="relaxed")
        tl.atomic_add(by_p + s * n + j, by_s[b], mask=j < n, sem="relaxed")
