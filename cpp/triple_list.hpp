/// Triples of a centre and two neighbours that see each other, in rows of equal j.
///
/// Of each row only the partners k with r_jk within the cutoff are kept, so that what is computed
/// for a triple is computed for those alone.
#pragma once

#include <cstdint>
#include <vector>

#include "selection.hpp"
#include "shell.hpp"

namespace miniff {

/// Triples are worked on in batches of about this many, small enough for the first-level cache.
constexpr std::int64_t batch_size = 192;

/// A pack of neighbours from k on, and which of them are partners.
struct PartnerPack {
    std::int64_t k;
    Bits kept;
};

/// The triples of one j: places first ... last - 1 of the batch's arrays, in whole packs.
struct TripleRow {
    std::int64_t j;
    std::int64_t first, last;
    const PartnerPack *partners_begin, *partners_end;

    const PartnerPack* begin() const { return partners_begin; }
    const PartnerPack* end() const { return partners_end; }
};

/// Whole rows of triples.
struct TripleBatch {
    std::int64_t offset;  // its first triple among all
    std::int64_t size;    // triples, in whole packs
    const TripleRow *rows_begin, *rows_end;

    const TripleRow* begin() const { return rows_begin; }
    const TripleRow* end() const { return rows_end; }
};

/// What is known of the triples of a batch when they are listed; what fills up a row has no legs.
template <class T>
struct TripleArrays {
    T* cosine;
    T* side2;    // r_jk^2
    T* squares;  // (r_j - shift)^2 + (r_k - shift)^2
    T* legs;     // fc(r_j) fc(r_k)
};

/// One thread's list of the triples of a group.
template <class T>
class TripleList {
public:
    explicit TripleList(const AngularGroup& group) : group_(group) {}

    /// Takes a neighbourhood.
    void begin(const Shell<T>& shell) { shell_ = &shell; }

    /// There are never more triples than this, nor in a batch.
    std::int64_t most() const {
        const std::int64_t n_first = size_of(group_.first), n_second = size_of(group_.second);
        const std::int64_t in_row = group_.one_list() ? n_second / 2 : n_second;
        return n_first * (in_row + width<T>)+2 * width<T>;
    }
    std::int64_t most_in_batch() const {
        return batch_size + size_of(group_.second) + 2 * width<T>;
    }

    /// Lists all batches. `arrays` are of the whole list for the cosines and of a batch for the
    /// rest; calls take(batch) after each.
    template <class Take>
    void list(const TripleArrays<T>& arrays, Take take) {
        make_room();
        batches_.clear();
        std::int64_t n = 0, n_rows = 0, n_partners = 0;
        TripleBatch batch{};
        const auto begin_batch = [&] { batch = {n, 0, rows_.data() + n_rows, nullptr}; };
        const auto finish_batch = [&] {
            batch.size = n - batch.offset;
            batch.rows_end = rows_.data() + n_rows;
            batches_.push_back(batch);
            take(batch);
        };
        begin_batch();
        const Range first = shell_->nb->of(group_.first), second = shell_->nb->of(group_.second);
        for (std::int64_t j = first.begin; j < first.end; ++j) {
            if (!reaches(group_.fc, shell_->r[j])) continue;
            TripleRow row{j, n - batch.offset, 0, partners_.data() + n_partners, nullptr};
            const std::int64_t last = group_.one_list() ? j : second.end;
            n = add_row(j, {second.begin, last}, arrays, n, batch.offset, n_partners);
            if (n - batch.offset == row.first) continue;
            row.last = n - batch.offset;
            row.partners_end = partners_.data() + n_partners;
            rows_[static_cast<std::size_t>(n_rows++)] = row;
            if (row.last >= batch_size) {
                finish_batch();
                begin_batch();
            }
        }
        if (n > batch.offset) finish_batch();
    }

    const std::vector<TripleBatch>& batches() const { return batches_; }

private:
    std::int64_t size_of(std::int32_t species) const {
        const Range range = shell_->nb->of(species);
        return range.end - range.begin;
    }

    void make_room() {
        const auto n_first = static_cast<std::size_t>(size_of(group_.first));
        const auto n_second = static_cast<std::size_t>(size_of(group_.second) / width<T>);
        if (rows_.size() < n_first) rows_.resize(n_first);
        const std::size_t n_partners = n_first * n_second + 1;  // one more may be written
        if (partners_.size() < n_partners) partners_.resize(n_partners);
    }

    /// Adds the partners of j, from the n-th triple on; returns where the next row begins.
    std::int64_t add_row(std::int64_t j, Range among, const TripleArrays<T>& arrays, std::int64_t n,
                         std::int64_t offset, std::int64_t& n_partners) {
        // Copies: what is written through pointers might else have changed them.
        const Shell<T> s = *shell_;
        const TripleArrays<T> to = {arrays.cosine + offset, arrays.side2, arrays.squares,
                                    arrays.legs};
        const T *const fcs = s.fc[group_.fc_place], shift = T(group_.shift);
        const T xj = s.x[j], yj = s.y[j], zj = s.z[j], rj = s.r[j], fcj = fcs[j];
        const T dj = rj - shift;
        const T cutoff = T(group_.fc.cutoff), cutoff2 = T(group_.fc.cutoff * group_.fc.cutoff);
        PartnerPack* partners = partners_.data() + n_partners;
        const std::int64_t begin = n;
        for (std::int64_t k = among.begin; k < among.end; k += width<T>) {
            const Pack<T> c = xj * load(s.x + k) + yj * load(s.y + k) + zj * load(s.z + k);
            const Pack<T> rk = load(s.r + k), dk = rk - shift;
            const Pack<T> side2 = rj * rj + rk * (rk - T(2) * rj * c);
            PackBits<T> inside = (side2 < cutoff2) & (rk < cutoff);
            if (among.end - k < width<T>)
                inside &= places<T>(k) < static_cast<typename BitsOf<T>::type>(among.end);
            const Bits kept = bits_of<T>(inside);
            const ToFront<T> to_front(kept);
            store<T>(to.cosine + n - offset, to_front(c));
            store<T>(to.side2 + n - offset, to_front(side2));
            store<T>(to.squares + n - offset, to_front(dj * dj + dk * dk));
            store<T>(to.legs + n - offset, to_front(fcj * load(fcs + k)));
            *partners = {k, kept};
            partners += kept != 0;
            n += count_bits(kept);
        }
        n_partners = partners - partners_.data();
        if (n == begin) return n;
        store<T>(to.cosine + n - offset, Pack<T>{});
        store<T>(to.side2 + n - offset, all<T>(cutoff2));
        store<T>(to.squares + n - offset, Pack<T>{});
        store<T>(to.legs + n - offset, Pack<T>{});
        return begin + whole_packs<T>(n - begin);
    }

    const AngularGroup& group_;
    const Shell<T>* shell_ = nullptr;
    std::vector<TripleRow> rows_;
    std::vector<PartnerPack> partners_;
    std::vector<TripleBatch> batches_;
};

}  // namespace miniff
