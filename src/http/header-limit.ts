/**
 * What the headers of one message may have together, in bytes; a listener answers more with 431. An event's attributes
 * may have 64 KiB, and each of their characters may be written as `%XX`.
 */
export const HEADER_BYTES_MAX = 256 * 1024;

/** So many headers one message may have. */
export const HEADERS_MAX = 1000;
