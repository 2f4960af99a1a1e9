/* A pool of threads that lasts as long as the process. To start a thread, or to wake one that sleeps, takes tens of
   microseconds, as long as many a product of matrices: a thread that has nothing to do looks for work for a while before
   it goes to sleep. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define AWAKE 100e-6 /* seconds without work before a thread sleeps */
#define LEAST_WORK 1e6 /* operations of a thread: fewer are done sooner than handed over */
#define WORTH_WAKING 8e6 /* operations for which sleeping threads are woken though nothing may follow soon */

enum { NOTHING, WANTED, TAKEN }; /* what a thread has to do */

/* A thread of the pool, and what it shares with the one that asks it for help. */
typedef struct {
    _Alignas(128) atomic_int state; /* of its part of the work; 128: nothing else in its pair of cache lines */
    atomic_int asleep; /* how many of the two wait for another state and may sleep */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
} Helper;

static atomic_flag busy = ATOMIC_FLAG_INIT; /* the next three belong to the thread that has set it */
static Helper pool[MOST_THREADS]; /* pool[n] does part n; whoever asks for help does part 0 */
static int started = 1;
static struct {
    void (*work)(void *given, int part, int parts);
    void *given;
    int parts;
} shared; /* what there is to do, as long as any part is WANTED or TAKEN */

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int threads_for(double operations, long long most, int threads) {
    if (threads > MOST_THREADS)
        threads = MOST_THREADS;
    if (threads > most)
        threads = (int)most;
    if (threads > operations / LEAST_WORK)
        threads = (int)(operations / LEAST_WORK);
    int sleeping = atomic_load(&pool[1].asleep) > 0; /* it got no part of any work for a while */
    return threads < 2 || (sleeping && operations < WORTH_WAKING) ? 1 : threads;
}

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void wait_for(Helper *helper, int state) {
    for (;;) {
        double end = seconds() + AWAKE;
        do
            for (int n = 0; n < 16; n++, pause_briefly())
                if (atomic_load(&helper->state) == state)
                    return;
        while (seconds() < end);
        pthread_mutex_lock(&helper->lock);
        atomic_fetch_add(&helper->asleep, 1);
        if (atomic_load(&helper->state) != state)
            pthread_cond_wait(&helper->changed, &helper->lock);
        atomic_fetch_sub(&helper->asleep, 1);
        pthread_mutex_unlock(&helper->lock);
    }
}

/* Some schedulers put a thread that wakes up where the one runs that woke it, and there it waits. */
static void keep_off_this_core(const Helper *helper) {
#ifdef __linux__
    cpu_set_t cores;
    int here = sched_getcpu();
    if (here < 0 || sched_getaffinity(0, sizeof cores, &cores) != 0)
        return;
    CPU_CLR(here, &cores);
    if (CPU_COUNT(&cores) > 0)
        pthread_setaffinity_np(helper->thread, sizeof cores, &cores);
#else
    (void)helper;
#endif
}

static void set(Helper *helper, int state) {
    atomic_store(&helper->state, state);
    if (!atomic_load(&helper->asleep)) /* one that says later that it sleeps looks at the state once more */
        return;
    if (state == WANTED)
        keep_off_this_core(helper);
    pthread_mutex_lock(&helper->lock);
    pthread_cond_broadcast(&helper->changed);
    pthread_mutex_unlock(&helper->lock);
}

/* Does the part of a helper if nobody has begun with it. */
static int take(Helper *helper) {
    int wanted = WANTED;
    if (!atomic_compare_exchange_strong(&helper->state, &wanted, TAKEN))
        return 0;
    shared.work(shared.given, (int)(helper - pool), shared.parts);
    return 1;
}

static void *help(void *given) {
    Helper *helper = given;
    for (;;) {
        wait_for(helper, WANTED);
        if (take(helper))
            set(helper, NOTHING);
    }
    return NULL;
}

/* After a fork the child has only the thread that forked. */
static void forget_threads(void) {
    started = 1;
    atomic_flag_clear(&busy);
}

/* One more thread in the pool, to which no signal is delivered; 0 where there is none to be had. */
static int start(void) {
    static int watching_forks = 0;
    Helper *helper = &pool[started];
    sigset_t all, before;
    if (!watching_forks && pthread_atfork(NULL, NULL, forget_threads) != 0)
        return 0;
    watching_forks = 1;
    atomic_init(&helper->state, NOTHING);
    atomic_init(&helper->asleep, 0);
    pthread_mutex_init(&helper->lock, NULL);
    pthread_cond_init(&helper->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&helper->thread, NULL, help, helper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return 0;
    pthread_detach(helper->thread);
    started++;
    return 1;
}

void in_parallel(int parts, void (*work)(void *given, int part, int parts), void *given) {
    int helped = 1, ours = parts > 1 && !atomic_flag_test_and_set(&busy);
    if (ours) {
        while (started < parts && start())
            ;
        helped = started < parts ? started : parts;
        shared.work = work;
        shared.given = given;
        shared.parts = parts;
    }
    for (int n = 1; n < helped; n++)
        set(&pool[n], WANTED);
    work(given, 0, parts);
    for (int n = helped; n < parts; n++)
        work(given, n, parts);
    for (int n = 1; n < helped; n++)
        if (take(&pool[n]))
            atomic_store(&pool[n].state, NOTHING);
    for (int n = 1; n < helped; n++)
        wait_for(&pool[n], NOTHING);
    if (ours)
        atomic_flag_clear(&busy);
}
