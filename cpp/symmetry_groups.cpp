#include "symmetry_groups.hpp"

#include <algorithm>
#include <cmath>

namespace miniff {

namespace {

/// The place of the element that satisfies `is`, or of a new one made by `make`.
template <class T, class Is, class Make>
std::size_t find_or_add(std::vector<T>& list, Is is, Make make) {
    const auto found = std::find_if(list.begin(), list.end(), is);
    const auto place = static_cast<std::size_t>(found - list.begin());
    if (found == list.end()) list.push_back(make());
    return place;
}

bool same_triples(const AngularGroup& g, const AngularFunction& f) {
    return g.first == f.first && g.second == f.second && g.shift == f.shift && g.fc == f.fc &&
           g.narrow == f.narrow;
}

std::size_t place_of(const std::vector<AngularTerm>& terms, const AngularFunction& f) {
    const auto found = std::find(terms.begin(), terms.end(), f.term);
    return static_cast<std::size_t>(found - terms.begin());
}

/// The distinct exponents and terms of functions that share their triples.
void list_parts(AngularGroup& group, const std::vector<AngularFunction>& members,
                FactorTable& table) {
    for (const auto& f : members) {
        find_or_add(
            group.exponents, [&](const Exponent& e) { return e.eta == f.eta; },
            [&] { return Exponent{f.eta, f.narrow ? 0 : table.number(f.fc, f.eta, f.shift)}; });
        find_or_add(
            group.terms, [&](const AngularTerm& t) { return t == f.term; }, [&] { return f.term; });
    }
    std::sort(group.terms.begin(), group.terms.end());
    std::sort(group.exponents.begin(), group.exponents.end(),
              [](const auto& a, const auto& b) { return a.eta < b.eta; });
}

/// Notes which exponents are integer multiples of a smaller one.
void share_exponentials(std::vector<Exponent>& exponents) {
    constexpr double largest = 32;  // beyond, an exponential is as cheap and loses no digits
    for (std::size_t e = 1; e < exponents.size(); ++e)
        for (std::size_t base = 0; base < e && exponents[e].power == 0; ++base) {
            const double ratio = exponents[e].eta / exponents[base].eta;
            const double multiple = std::round(ratio);
            if (exponents[base].power == 0 && exponents[base].eta > 0 && multiple <= largest &&
                std::abs(ratio - multiple) < 1e-14 * multiple) {
                exponents[e].base = base;
                exponents[e].power = static_cast<int>(multiple);
            }
        }
}

/// The terms of one exponent with their entries; of a wide group, those of one zeta. A function
/// that is listed twice makes a second row, as if it were an exponent of its own.
struct TermRow {
    std::size_t exponent;
    std::vector<std::size_t> terms;
    std::vector<AngularEntry> entries;
};

std::vector<TermRow> term_rows(const AngularGroup& group,
                               const std::vector<AngularFunction>& members) {
    const double orders = group.one_list() ? 2 : 1;
    std::vector<TermRow> rows;
    for (std::size_t term = 0; term < group.terms.size(); ++term)
        for (const auto& f : members) {
            if (place_of(group.terms, f) != term) continue;
            const auto exponent = static_cast<std::size_t>(
                std::find_if(group.exponents.begin(), group.exponents.end(),
                             [&](const Exponent& e) { return e.eta == f.eta; }) -
                group.exponents.begin());
            const auto row = find_or_add(
                rows,
                [&](const TermRow& r) {
                    const AngularTerm& last = group.terms[r.terms.back()];
                    return r.exponent == exponent && r.terms.back() != term &&
                           (group.narrow || last.zeta == f.term.zeta);
                },
                [&] { return TermRow{exponent, {}, {}}; });
            rows[row].terms.push_back(term);
            rows[row].entries.push_back({f.column, orders * f.prefactor * f.term.norm()});
        }
    return rows;
}

void add_to_blocks(std::vector<AngularBlock>& blocks, const TermRow& row) {
    const auto place = find_or_add(
        blocks, [&](const AngularBlock& b) { return b.terms == row.terms; },
        [&] { return AngularBlock{{}, row.terms, {}}; });
    AngularBlock& block = blocks[place];
    block.exponents.push_back(row.exponent);
    block.entries.insert(block.entries.end(), row.entries.begin(), row.entries.end());
}

}  // namespace

std::size_t FactorTable::number(const CutoffFunction& fc) {
    return find_or_add(
        fcs, [&](const CutoffFunction& other) { return other == fc; }, [&] { return fc; });
}

std::size_t FactorTable::number(const CutoffFunction& fc, double eta, double shift) {
    const std::size_t n = number(fc);
    return find_or_add(
        factors, [&](const Factor& f) { return f.fc == n && f.eta == eta && f.shift == shift; },
        [&] { return Factor{n, eta, shift}; });
}

std::vector<AngularGroup> make_groups(const std::vector<AngularFunction>& functions,
                                      FactorTable& table) {
    std::vector<AngularGroup> groups;
    std::vector<std::vector<AngularFunction>> members;
    for (const auto& f : functions) {
        const auto place = find_or_add(
            groups, [&](const AngularGroup& g) { return same_triples(g, f); },
            [&] {
                return AngularGroup{f.first,  f.second, f.shift, f.fc, table.number(f.fc),
                                    f.narrow, {},       {},      {}};
            });
        members.resize(groups.size());
        members[place].push_back(f);
    }
    for (std::size_t g = 0; g < groups.size(); ++g) {
        list_parts(groups[g], members[g], table);
        if (groups[g].narrow) share_exponentials(groups[g].exponents);
        for (const auto& row : term_rows(groups[g], members[g]))
            add_to_blocks(groups[g].blocks, row);
    }
    return groups;
}

}  // namespace miniff
