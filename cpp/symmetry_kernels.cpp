#include "symmetry_kernels.hpp"

#include <cmath>

#include "vector_math.hpp"

namespace miniff::kernels {

namespace {

/// Hands out consecutive arrays of the scratch.
class Arena {
public:
    explicit Arena(double* at) : at_(at) {}
    MINIFF_INLINE double* take(std::int64_t n) {
        double* const array = at_;
        at_ += n;
        return array;
    }
    MINIFF_INLINE double* zeros(std::int64_t n) {
        double* const array = take(n);
        for (std::int64_t k = 0; k < n; ++k) array[k] = 0;
        return array;
    }

private:
    double* at_;
};

/// p = exp(-eta (r - shift)^2) fc and dp = dp/dr, from fc and its slope at the distances r.
MINIFF_INLINE void gaussians(double eta, double shift, const double* r, const double* fc,
                             const double* dfc, std::int64_t n, double* MINIFF_RESTRICT p,
                             double* MINIFF_RESTRICT dp) {
#pragma omp simd
    for (std::int64_t k = 0; k < n; ++k) {
        const double y = r[k] - shift;
        const double x = exp_of_negative(-eta * y * y);
        p[k] = x * fc[k];
        dp[k] = x * (dfc[k] - 2 * eta * y * fc[k]);
    }
}

/// Neighbour j with the partners k ... k + length - 1; its triples begin at t of the batch.
struct Row {
    std::int64_t j, k, length, t;
};

/// What a batch of triples needs whatever is computed from it; capacity: batch_size + count.
struct Batch {
    Row rows[batch_size + 1];
    std::int64_t n_rows;
    std::int64_t n;
    std::int64_t capacity;
    double *cosine, *r3, *fc3, *dfc3;    // of triple (j, k); r3 = r_jk, only for narrow groups
    double *value, *slope;               // [n_terms, capacity] (1 + lambda c)^zeta and its d/dc
    double *product, *n3, *m3;           // p_j p_k; factor of r_jk and its slope over r_jk
    double *a, *b, *c, *d;               // whatever the sum at hand needs
};

/// p and dp of every neighbour for every exponent of the group.
struct Legs {
    double *p, *dp;  // [n_exponents, count]
};

MINIFF_INLINE void lay_out(Batch& batch, Arena& arena, const Shell& shell,
                           const AngularGroup& group) {
    batch.capacity = batch_size + shell.count;
    const auto n_terms = static_cast<std::int64_t>(group.terms.size());
    double** const singles[] = {&batch.cosine, &batch.r3, &batch.fc3, &batch.dfc3,
                                &batch.product, &batch.n3, &batch.m3, &batch.a,
                                &batch.b, &batch.c, &batch.d};
    for (double** array : singles) *array = arena.take(batch.capacity);
    batch.value = arena.take(n_terms * batch.capacity);
    batch.slope = arena.take(n_terms * batch.capacity);
}

MINIFF_INLINE Legs make_legs(Arena& arena, const Shell& shell, const AngularGroup& group) {
    const std::int64_t n = shell.count;
    const auto n_exponents = static_cast<std::int64_t>(group.exponents.size());
    double* const fc = arena.take(n);
    double* const dfc = arena.take(n);
    const Legs legs{arena.take(n_exponents * n), arena.take(n_exponents * n)};
    evaluate(group.fc, shell.r, n, fc, dfc);
    for (std::int64_t e = 0; e < n_exponents; ++e)
        gaussians(group.exponents[e].eta, group.shift, shell.r, fc, dfc, n, legs.p + e * n,
                  legs.dp + e * n);
    return legs;
}

/// Cosines of the batch, and distances r_jk with their cutoff function where the group has them.
MINIFF_INLINE void fill_geometry(const Shell& s, const AngularGroup& group, Batch& batch) {
    for (std::int64_t i = 0; i < batch.n_rows; ++i) {
        const Row row = batch.rows[i];
        const double x = s.x[row.j], y = s.y[row.j], z = s.z[row.j], r = s.r[row.j];
        const double *xk = s.x + row.k, *yk = s.y + row.k, *zk = s.z + row.k, *rk = s.r + row.k;
        double* MINIFF_RESTRICT cosine = batch.cosine + row.t;
        double* MINIFF_RESTRICT r3 = batch.r3 + row.t;
#pragma omp simd
        for (std::int64_t k = 0; k < row.length; ++k) {
            double c = x * xk[k] + y * yk[k] + z * zk[k];
            c = c < 1 ? c : 1.0;
            cosine[k] = c > -1 ? c : -1.0;
        }
        if (!group.narrow) continue;
#pragma omp simd
        for (std::int64_t k = 0; k < row.length; ++k) {
            const double dx = rk[k] * xk[k] - r * x;
            const double dy = rk[k] * yk[k] - r * y;
            const double dz = rk[k] * zk[k] - r * z;
            r3[k] = std::sqrt(dx * dx + dy * dy + dz * dz);
        }
    }
    if (group.narrow) evaluate(group.fc, batch.r3, batch.n, batch.fc3, batch.dfc3);
}

/// (1 + lambda c)^zeta and its slope by c for one term of the group.
MINIFF_INLINE void fill_term(const AngularTerm& term, const Batch& batch,
                             double* MINIFF_RESTRICT value, double* MINIFF_RESTRICT slope) {
    const double* cosine = batch.cosine;
    double* const base = batch.a;
#pragma omp simd
    for (std::int64_t t = 0; t < batch.n; ++t) {
        const double x = 1 + term.lambda * cosine[t];
        base[t] = x > 0 ? x : 0.0;
    }
    if (term.integer())
        integer_power(base, static_cast<int>(term.zeta) - 1, batch.n, value, slope);
    else
        for (std::int64_t t = 0; t < batch.n; ++t) slope[t] = std::pow(base[t], term.zeta - 1);
    const double factor = term.zeta * term.lambda;
#pragma omp simd
    for (std::int64_t t = 0; t < batch.n; ++t) {
        value[t] = slope[t] * base[t];
        slope[t] *= factor;
    }
}

MINIFF_INLINE void fill_terms(const AngularGroup& group, Batch& batch) {
    for (std::size_t u = 0; u < group.terms.size(); ++u)
        fill_term(group.terms[u], batch, batch.value + u * batch.capacity,
                  batch.slope + u * batch.capacity);
}

/// product = p_j p_k; for narrow groups also n3 = exp(-eta (r_jk - rs)^2) fc and m3 = n3'/r_jk.
MINIFF_INLINE void fill_product(const AngularGroup& group, double eta, const double* p,
                                Batch& batch) {
    for (std::int64_t i = 0; i < batch.n_rows; ++i) {
        const Row row = batch.rows[i];
        const double pj = p[row.j];
        const double* pk = p + row.k;
        double* MINIFF_RESTRICT product = batch.product + row.t;
#pragma omp simd
        for (std::int64_t k = 0; k < row.length; ++k) product[k] = pj * pk[k];
    }
    if (!group.narrow) return;
    gaussians(eta, group.shift, batch.r3, batch.fc3, batch.dfc3, batch.n, batch.n3, batch.m3);
    double* MINIFF_RESTRICT m3 = batch.m3;
    const double* r3 = batch.r3;
#pragma omp simd
    for (std::int64_t t = 0; t < batch.n; ++t) m3[t] /= r3[t];
}

MINIFF_INLINE void multiply(const double* factor, std::int64_t n, double* MINIFF_RESTRICT out) {
#pragma omp simd
    for (std::int64_t t = 0; t < n; ++t) out[t] *= factor[t];
}

/// row[column] += scale sum_t weight[t] term[t], four entries at a time.
MINIFF_INLINE void contract(const Exponent& exponent, const double* terms, const Batch& batch,
                            const double* weight, double* row) {
    const auto& entries = exponent.entries;
    std::size_t e = 0;
    for (; e + 4 <= entries.size(); e += 4) {
        const double* const four[4] = {terms + entries[e].term * batch.capacity,
                                       terms + entries[e + 1].term * batch.capacity,
                                       terms + entries[e + 2].term * batch.capacity,
                                       terms + entries[e + 3].term * batch.capacity};
        double sums[4];
        dot4(weight, four, batch.n, sums);
        for (int u = 0; u < 4; ++u) row[entries[e + u].column] += entries[e + u].scale * sums[u];
    }
    for (; e < entries.size(); ++e)
        row[entries[e].column] +=
            entries[e].scale * dot(weight, terms + entries[e].term * batch.capacity, batch.n);
}

/// out[t] = sum over the entries of weight scale term[t]: the transpose of `contract`.
MINIFF_INLINE void expand(const Exponent& exponent, const double* terms, const Batch& batch,
                          const double* weight, double* MINIFF_RESTRICT out) {
    for (std::int64_t t = 0; t < batch.n; ++t) out[t] = 0;
    const auto& entries = exponent.entries;
    std::size_t e = 0;
    for (; e + 4 <= entries.size(); e += 4) {
        const double* four[4];
        double factors[4];
        for (int u = 0; u < 4; ++u) {
            four[u] = terms + entries[e + u].term * batch.capacity;
            factors[u] = weight[entries[e + u].column] * entries[e + u].scale;
        }
        add_scaled4(factors, four, batch.n, out);
    }
    for (; e < entries.size(); ++e)
        add_scaled(weight[entries[e].column] * entries[e].scale,
                   terms + entries[e].term * batch.capacity, batch.n, out);
}

/// Calls use(batch) on all triples of the two ranges, in batches of whole rows.
template <class Use>
MINIFF_INLINE void for_batches(const Shell& shell, Range first, Range second,
                               const AngularGroup& group, Batch& batch, Use use) {
    batch.n_rows = batch.n = 0;
    const auto finish = [&] {
        fill_geometry(shell, group, batch);
        fill_terms(group, batch);
        use();
        batch.n_rows = batch.n = 0;
    };
    for (std::int64_t j = first.begin; j < first.end; ++j) {
        const std::int64_t length = (group.one_list() ? j : second.end) - second.begin;
        if (length == 0) continue;
        batch.rows[batch.n_rows++] = {j, second.begin, length, batch.n};
        batch.n += length;
        if (batch.n >= batch_size) finish();
    }
    if (batch.n > 0) finish();
}

}  // namespace

std::int64_t scratch_size(std::int64_t count, std::int64_t n_exponents, std::int64_t n_terms) {
    return count * (2 + 2 * n_exponents + 8) + (batch_size + count) * (2 * n_terms + 11);
}

MINIFF_MULTIVERSION
void normalize(const Shell& s) {
#pragma omp simd
    for (std::int64_t k = 0; k < s.count; ++k) {
        const double r = std::sqrt(s.x[k] * s.x[k] + s.y[k] * s.y[k] + s.z[k] * s.z[k]);
        s.r[k] = r;
        s.inverse_r[k] = 1 / r;
        s.x[k] *= s.inverse_r[k];
        s.y[k] *= s.inverse_r[k];
        s.z[k] *= s.inverse_r[k];
    }
}

namespace {

/// p and dp of the neighbours in a range for a radial function.
struct RadialArrays {
    double *p, *dp;
};

MINIFF_INLINE RadialArrays radial_arrays(const Shell& shell, Range range, const RadialFunction& f,
                                         double* scratch) {
    const std::int64_t n = range.end - range.begin;
    Arena arena(scratch);
    double* const fc = arena.take(n);
    double* const dfc = arena.take(n);
    const RadialArrays arrays{arena.take(n), arena.take(n)};
    evaluate(f.fc, shell.r + range.begin, n, fc, dfc);
    gaussians(f.eta, f.shift, shell.r + range.begin, fc, dfc, n, arrays.p, arrays.dp);
    return arrays;
}

}  // namespace

MINIFF_MULTIVERSION
double radial_value(const Shell& shell, Range range, const RadialFunction& f, double* scratch) {
    const double* p = radial_arrays(shell, range, f, scratch).p;
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t k = 0; k < range.end - range.begin; ++k) sum += p[k];
    return sum;
}

MINIFF_MULTIVERSION
void radial_vjp(const Shell& s, Range range, const RadialFunction& f, double weight,
                double* scratch) {
    const double* dp = radial_arrays(s, range, f, scratch).dp - range.begin;
#pragma omp simd
    for (std::int64_t k = range.begin; k < range.end; ++k) {
        const double slope = weight * dp[k];
        s.tx[k] += slope * s.x[k];
        s.ty[k] += slope * s.y[k];
        s.tz[k] += slope * s.z[k];
    }
}

MINIFF_MULTIVERSION
double radial_jvp(const Shell& s, Range range, const RadialFunction& f, double* scratch) {
    const double* dp = radial_arrays(s, range, f, scratch).dp - range.begin;
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t k = range.begin; k < range.end; ++k)
        sum += dp[k] * (s.x[k] * s.tx[k] + s.y[k] * s.ty[k] + s.z[k] * s.tz[k]);
    return sum;
}

MINIFF_MULTIVERSION
void angular_values(const Shell& shell, Range first, Range second, const AngularGroup& group,
                    double* scratch, double* row) {
    Arena arena(scratch);
    Batch batch;
    lay_out(batch, arena, shell, group);
    const Legs legs = make_legs(arena, shell, group);
    for_batches(shell, first, second, group, batch, [&] {
        for (std::size_t e = 0; e < group.exponents.size(); ++e) {
            fill_product(group, group.exponents[e].eta, legs.p + e * shell.count, batch);
            if (group.narrow) multiply(batch.n3, batch.n, batch.product);
            contract(group.exponents[e], batch.value, batch, batch.product, row);
        }
    });
}

MINIFF_MULTIVERSION
void angular_vjp(const Shell& s, Range first, Range second, const AngularGroup& group,
                 const double* weight, double* scratch) {
    Arena arena(scratch);
    Batch batch;
    lay_out(batch, arena, s, group);
    const Legs legs = make_legs(arena, s, group);
    // Derivatives by distance, by cosine (as a vector and its projection), and along r_jk.
    double* const radial = arena.zeros(s.count);
    double* const bend[3] = {arena.zeros(s.count), arena.zeros(s.count), arena.zeros(s.count)};
    double* const along = arena.zeros(s.count);
    double* const across[3] = {arena.zeros(s.count), arena.zeros(s.count), arena.zeros(s.count)};
    const double* const unit[3] = {s.x, s.y, s.z};

    for_batches(s, first, second, group, batch, [&] {
        double *const q = batch.a, *const dq = batch.b;      // weighted terms and their slopes
        double *const by_cosine = batch.c, *const by_r3 = batch.d;
        for (std::int64_t t = 0; t < batch.n; ++t) by_cosine[t] = by_r3[t] = 0;
        for (std::size_t e = 0; e < group.exponents.size(); ++e) {
            const double* p = legs.p + e * s.count;
            const double* dp = legs.dp + e * s.count;
            fill_product(group, group.exponents[e].eta, p, batch);
            expand(group.exponents[e], batch.value, batch, weight, q);
            expand(group.exponents[e], batch.slope, batch, weight, dq);
            if (group.narrow) {
#pragma omp simd
                for (std::int64_t t = 0; t < batch.n; ++t) {
                    by_r3[t] += batch.product[t] * batch.m3[t] * q[t];
                    batch.product[t] *= batch.n3[t];
                    q[t] *= batch.n3[t];
                }
            }
#pragma omp simd
            for (std::int64_t t = 0; t < batch.n; ++t) by_cosine[t] += batch.product[t] * dq[t];
            for (std::int64_t i = 0; i < batch.n_rows; ++i) {
                const Row row = batch.rows[i];
                const double pj = p[row.j];
                const double *pk = p + row.k, *dpk = dp + row.k, *qt = q + row.t;
                double* MINIFF_RESTRICT radial_k = radial + row.k;
                double sum = 0;
#pragma omp simd reduction(+ : sum)
                for (std::int64_t k = 0; k < row.length; ++k) {
                    sum += pk[k] * qt[k];
                    radial_k[k] += pj * dpk[k] * qt[k];
                }
                radial[row.j] += dp[row.j] * sum;
            }
        }
        for (std::int64_t i = 0; i < batch.n_rows; ++i) {
            const Row row = batch.rows[i];
            const double *ct = by_cosine + row.t, *cosine = batch.cosine + row.t;
            double* MINIFF_RESTRICT along_k = along + row.k;
            double sum = 0;
#pragma omp simd reduction(+ : sum)
            for (std::int64_t k = 0; k < row.length; ++k) {
                const double projected = ct[k] * cosine[k];
                sum += projected;
                along_k[k] += projected;
            }
            along[row.j] += sum;
            for (int x = 0; x < 3; ++x) {
                bend[x][row.j] += dot(ct, unit[x] + row.k, row.length);
                add_scaled(unit[x][row.j], ct, row.length, bend[x] + row.k);
            }
            if (!group.narrow) continue;
            const double *wt = by_r3 + row.t, *rk = s.r + row.k;
            for (int x = 0; x < 3; ++x) {
                const double dj = s.r[row.j] * unit[x][row.j];
                const double* uk = unit[x] + row.k;
                double* MINIFF_RESTRICT across_k = across[x] + row.k;
                double pull = 0;
#pragma omp simd reduction(+ : pull)
                for (std::int64_t k = 0; k < row.length; ++k) {
                    const double f = wt[k] * (rk[k] * uk[k] - dj);
                    across_k[k] += f;
                    pull += f;
                }
                across[x][row.j] -= pull;
            }
        }
    });
    double* const out[3] = {s.tx, s.ty, s.tz};
    for (int x = 0; x < 3; ++x) {
#pragma omp simd
        for (std::int64_t k = 0; k < s.count; ++k)
            out[x][k] += radial[k] * unit[x][k] + across[x][k] +
                         (bend[x][k] - along[k] * unit[x][k]) * s.inverse_r[k];
    }
}

MINIFF_MULTIVERSION
void angular_jvp(const Shell& s, Range first, Range second, const AngularGroup& group,
                 double* scratch, double* row_out) {
    Arena arena(scratch);
    Batch batch;
    lay_out(batch, arena, s, group);
    const Legs legs = make_legs(arena, s, group);
    // How distances and unit vectors change along the direction, and p with them.
    double* const dr = arena.take(s.count);
    double* const ux = arena.take(s.count);
    double* const uy = arena.take(s.count);
    double* const uz = arena.take(s.count);
#pragma omp simd
    for (std::int64_t k = 0; k < s.count; ++k) {
        dr[k] = s.x[k] * s.tx[k] + s.y[k] * s.ty[k] + s.z[k] * s.tz[k];
        ux[k] = (s.tx[k] - dr[k] * s.x[k]) * s.inverse_r[k];
        uy[k] = (s.ty[k] - dr[k] * s.y[k]) * s.inverse_r[k];
        uz[k] = (s.tz[k] - dr[k] * s.z[k]) * s.inverse_r[k];
    }
    for (std::size_t e = 0; e < group.exponents.size(); ++e)
        multiply(dr, s.count, legs.dp + e * s.count);

    for_batches(s, first, second, group, batch, [&] {
        double *const change = batch.a, *const turned = batch.b;  // of p_j p_k; times d cosine
        double *const dcosine = batch.c, *const dr3 = batch.d;    // dr3: times r_jk
        for (std::int64_t i = 0; i < batch.n_rows; ++i) {
            const Row row = batch.rows[i];
            const std::int64_t j = row.j;
            double* MINIFF_RESTRICT dc = dcosine + row.t;
            double* MINIFF_RESTRICT d3 = dr3 + row.t;
#pragma omp simd
            for (std::int64_t k = 0; k < row.length; ++k) {
                const std::int64_t m = row.k + k;
                dc[k] = s.x[j] * ux[m] + s.y[j] * uy[m] + s.z[j] * uz[m] + ux[j] * s.x[m] +
                        uy[j] * s.y[m] + uz[j] * s.z[m];
                d3[k] = (s.r[m] * s.x[m] - s.r[j] * s.x[j]) * (s.tx[m] - s.tx[j]) +
                        (s.r[m] * s.y[m] - s.r[j] * s.y[j]) * (s.ty[m] - s.ty[j]) +
                        (s.r[m] * s.z[m] - s.r[j] * s.z[j]) * (s.tz[m] - s.tz[j]);
            }
        }
        for (std::size_t e = 0; e < group.exponents.size(); ++e) {
            const double* p = legs.p + e * s.count;
            const double* dp = legs.dp + e * s.count;
            fill_product(group, group.exponents[e].eta, p, batch);
            for (std::int64_t i = 0; i < batch.n_rows; ++i) {
                const Row row = batch.rows[i];
                double* MINIFF_RESTRICT out = change + row.t;
                const double pj = p[row.j], dpj = dp[row.j];
                const double *pk = p + row.k, *dpk = dp + row.k;
#pragma omp simd
                for (std::int64_t k = 0; k < row.length; ++k) out[k] = dpj * pk[k] + pj * dpk[k];
            }
            if (group.narrow) {
#pragma omp simd
                for (std::int64_t t = 0; t < batch.n; ++t) {
                    change[t] = change[t] * batch.n3[t] + batch.product[t] * batch.m3[t] * dr3[t];
                    batch.product[t] *= batch.n3[t];
                }
            }
#pragma omp simd
            for (std::int64_t t = 0; t < batch.n; ++t) turned[t] = batch.product[t] * dcosine[t];
            contract(group.exponents[e], batch.value, batch, change, row_out);
            contract(group.exponents[e], batch.slope, batch, turned, row_out);
        }
    });
}

}  // namespace miniff::kernels
