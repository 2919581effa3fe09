/* Keeps the host name resolver out of the static binary, and libnuma quiet.
 *
 * libnuma's list parsers accept "ip:HOST" and "netdev:NAME" and ask this function of libnuma's
 * affinity.o what they mean; that object alone brings in getaddrinfo(), 300 kB of it. Nothing here
 * calls those parsers (idlist.c reads lists), and a function defined here keeps the object out. */
struct bitmask;

int resolve_affinity(const char *name, struct bitmask *mask);

int resolve_affinity(const char *name, struct bitmask *mask)
{
    (void)name;
    (void)mask;
    return -1;
}

/* Weak in libnuma, made to be replaced: its own prints lines of its own form about what it cannot
 * read while it starts. What matters here is found by reading back. */
void numa_warn(int number, char *format, ...);

void numa_warn(int number, char *format, ...)
{
    (void)number;
    (void)format;
}
