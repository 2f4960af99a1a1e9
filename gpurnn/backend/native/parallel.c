#include "parallel.h"

#include <pthread.h>

#define SMALL_WORK 2e7 /* operations: below it another thread costs more than it does */

int threads_for(double operations, long long most, int threads) {
    if (operations < SMALL_WORK || threads < 1)
        return 1;
    if (threads > MOST_THREADS)
        threads = MOST_THREADS;
    return threads > most ? (int)most : threads;
}

typedef struct {
    void (*work)(void *given, int part, int parts);
    void *given;
    int part, parts;
} Part;

static void *run(void *given) {
    const Part *part = given;
    part->work(part->given, part->part, part->parts);
    return NULL;
}

void in_parallel(int parts, void (*work)(void *given, int part, int parts), void *given) {
    Part part[MOST_THREADS];
    pthread_t thread[MOST_THREADS];
    int started = 1;
    for (int n = 0; n < parts; n++)
        part[n] = (Part){work, given, n, parts};
    while (started < parts && pthread_create(&thread[started], NULL, run, &part[started]) == 0)
        started++;
    run(&part[0]);
    for (int n = started; n < parts; n++) /* no thread to be had: this one does its part */
        run(&part[n]);
    for (int n = 1; n < started; n++)
        pthread_join(thread[n], NULL);
}
