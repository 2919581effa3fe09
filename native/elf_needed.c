#include "elf_needed.h"

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Many more than any linker writes; a file with more is none that we can say anything about. */
enum { MOST_SEGMENTS = 256, MOST_ENTRIES = 4096, NAME_SIZE = 256 };

struct image {
    int file;
    uint64_t size;
    bool swapped; /* of the other byte order than this machine */
    uint64_t segments_at;
    unsigned int segment_count;
};

struct dynamic {
    uint64_t at; /* in the file */
    uint64_t count;
    uint64_t names_at;
    uint64_t names_size;
};

static uint16_t half(const struct image *image, uint16_t value)
{
    return image->swapped ? __builtin_bswap16(value) : value;
}

static uint32_t word(const struct image *image, uint32_t value)
{
    return image->swapped ? __builtin_bswap32(value) : value;
}

static uint64_t wide(const struct image *image, uint64_t value)
{
    return image->swapped ? __builtin_bswap64(value) : value;
}

/* Reads all of it, or answers false. */
static bool read_at(const struct image *image, uint64_t offset, void *buffer, size_t size)
{
    if (offset > image->size || size > image->size - offset)
        return false;
    return pread(image->file, buffer, size, (off_t)offset) == (ssize_t)size;
}

static bool read_header(struct image *image)
{
    const unsigned char native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB
                                                                           : ELFDATA2MSB;
    Elf64_Ehdr header;

    if (!read_at(image, 0, &header, sizeof header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
        return false;
    if (header.e_ident[EI_DATA] != ELFDATA2LSB && header.e_ident[EI_DATA] != ELFDATA2MSB)
        return false;
    image->swapped = header.e_ident[EI_DATA] != native;
    image->segments_at = wide(image, header.e_phoff);
    image->segment_count = half(image, header.e_phnum);
    return half(image, header.e_phentsize) == sizeof(Elf64_Phdr) &&
           image->segment_count <= MOST_SEGMENTS && image->segments_at <= image->size;
}

static bool read_segment(const struct image *image, unsigned int index, Elf64_Phdr *segment)
{
    if (!read_at(image, image->segments_at + index * sizeof *segment, segment, sizeof *segment))
        return false;
    segment->p_type = word(image, segment->p_type);
    segment->p_offset = wide(image, segment->p_offset);
    segment->p_vaddr = wide(image, segment->p_vaddr);
    segment->p_filesz = wide(image, segment->p_filesz);
    return true;
}

/* The offset in the file of what is loaded at this address. */
static bool find_address(const struct image *image, uint64_t address, uint64_t *offset)
{
    Elf64_Phdr segment;

    for (unsigned int i = 0; i < image->segment_count; i++) {
        if (!read_segment(image, i, &segment))
            return false;
        if (segment.p_type != PT_LOAD || address < segment.p_vaddr ||
            address - segment.p_vaddr >= segment.p_filesz)
            continue;
        return !__builtin_add_overflow(segment.p_offset, address - segment.p_vaddr, offset);
    }
    return false;
}

static bool read_entry(const struct image *image, const struct dynamic *dynamic, uint64_t index,
                       Elf64_Dyn *entry)
{
    if (index >= dynamic->count ||
        !read_at(image, dynamic->at + index * sizeof *entry, entry, sizeof *entry))
        return false;
    entry->d_tag = (Elf64_Sxword)wide(image, (uint64_t)entry->d_tag);
    entry->d_un.d_val = wide(image, entry->d_un.d_val);
    return entry->d_tag != DT_NULL;
}

static bool find_dynamic(const struct image *image, struct dynamic *dynamic)
{
    Elf64_Phdr segment = {0};
    Elf64_Dyn entry;
    uint64_t address = 0;

    for (unsigned int i = 0; segment.p_type != PT_DYNAMIC; i++)
        if (i == image->segment_count || !read_segment(image, i, &segment))
            return false; /* static */
    *dynamic = (struct dynamic){.at = segment.p_offset, .count = segment.p_filesz / sizeof entry};
    if (dynamic->at > image->size || dynamic->count > MOST_ENTRIES)
        return false;
    for (uint64_t i = 0; read_entry(image, dynamic, i, &entry); i++) {
        if (entry.d_tag == DT_STRTAB)
            address = entry.d_un.d_ptr;
        else if (entry.d_tag == DT_STRSZ)
            dynamic->names_size = entry.d_un.d_val;
    }
    return find_address(image, address, &dynamic->names_at) && dynamic->names_at <= image->size;
}

/* False: out of bounds, or longer than any name of a library. */
static bool read_name(const struct image *image, const struct dynamic *dynamic, uint64_t offset,
                      char name[static NAME_SIZE])
{
    if (offset >= dynamic->names_size || offset >= image->size - dynamic->names_at)
        return false;
    uint64_t room = dynamic->names_size - offset;
    if (room > image->size - dynamic->names_at - offset)
        room = image->size - dynamic->names_at - offset;
    if (room > NAME_SIZE)
        room = NAME_SIZE;
    return read_at(image, dynamic->names_at + offset, name, (size_t)room) &&
           memchr(name, '\0', (size_t)room) != NULL;
}

static void read_names(const struct image *image, void (*each)(const char *, void *),
                       void *context)
{
    char name[NAME_SIZE];
    struct dynamic dynamic;
    Elf64_Dyn entry;

    if (!find_dynamic(image, &dynamic))
        return;
    for (uint64_t i = 0; read_entry(image, &dynamic, i, &entry); i++)
        if (entry.d_tag == DT_NEEDED && read_name(image, &dynamic, entry.d_un.d_val, name))
            each(name, context);
}

void elf_needed(const char *path, void (*each)(const char *name, void *context), void *context)
{
    /* O_NONBLOCK: a FIFO of this name would wait for a writer. */
    struct image image = {.file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    struct stat status;

    if (image.file < 0)
        return;
    if (fstat(image.file, &status) == 0 && S_ISREG(status.st_mode)) {
        image.size = (uint64_t)status.st_size;
        if (read_header(&image))
            read_names(&image, each, context);
    }
    close(image.file);
}
