/// Environment functions F[i, f] of the pair vectors, and their three operations.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "mutual_pairs.hpp"
#include "neighborhood.hpp"

namespace miniff {

/// One thread's workspace of a part: `begin` takes a neighbourhood, the operations then use it.
template <class T>
class Worker {
public:
    virtual ~Worker() = default;

    virtual void begin(const Neighborhood<T>& nb) = 0;
    /// row[column] += F
    virtual void values(T* row) = 0;
    /// gx, gy, gz of the neighbourhood += sum_f weight[column] dF/dd
    virtual void vjp(const T* weight) = 0;
    /// row[column] += change of F along the direction in gx, gy, gz
    virtual void jvp(T* row) = 0;
    /// values and vjp at once, where the weights are known before
    virtual void both(const T* weight, T* row) {
        values(row);
        vjp(weight);
    }
};

/// Some functions of a set that are evaluated together.
template <class T>
class Part {
public:
    virtual ~Part() = default;

    virtual double cutoff() const = 0;
    virtual std::unique_ptr<Worker<T>> worker() const = 0;
    /// Itself, where it is a sum over pairs.
    virtual const MutualPart* mutual() const { return nullptr; }
};

/// Functions of one centre species.
template <class T>
class FunctionSet {
public:
    explicit FunctionSet(std::int64_t n_functions) : n_functions_(n_functions) {
        if (n_functions < 0) throw std::invalid_argument("`n_functions` must not be negative");
    }
    FunctionSet(const FunctionSet&) = delete;
    FunctionSet& operator=(const FunctionSet&) = delete;

    void add(std::unique_ptr<Part<T>> part) {
        cutoff_ = part->cutoff() > cutoff_ ? part->cutoff() : cutoff_;
        parts_.push_back(std::move(part));
    }
    std::int64_t n_functions() const { return n_functions_; }
    double cutoff() const { return cutoff_; }
    const std::vector<std::unique_ptr<Part<T>>>& parts() const { return parts_; }

private:
    std::int64_t n_functions_;
    double cutoff_ = 0;
    std::vector<std::unique_ptr<Part<T>>> parts_;
};

/// The workers of all parts of a set.
template <class T>
class SetWorker {
public:
    explicit SetWorker(const FunctionSet<T>& set) {
        for (const auto& part : set.parts()) workers_.push_back(part->worker());
    }

    void begin(const Neighborhood<T>& nb) {
        for (auto& worker : workers_) worker->begin(nb);
    }
    void values(T* row) {
        for (auto& worker : workers_) worker->values(row);
    }
    void vjp(const T* weight) {
        for (auto& worker : workers_) worker->vjp(weight);
    }
    void jvp(T* row) {
        for (auto& worker : workers_) worker->jvp(row);
    }
    void both(const T* weight, T* row) {
        for (auto& worker : workers_) worker->both(weight, row);
    }

private:
    std::vector<std::unique_ptr<Worker<T>>> workers_;
};

}  // namespace miniff
