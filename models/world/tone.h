/* tone.h - tonal and atmospheric edits: one fixed operation per tone, the same for any picture.
 *
 * Every tone works pixel by pixel in sRGB-encoded values: a power, a contrast around a pivot, a
 * share of colour, a gain and an offset per channel. So edges stay where they are, and a token's
 * new value depends on the token alone.
 */
#ifndef TI_WORLD_TONE_H
#define TI_WORLD_TONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ti_tone {
    TI_WARMER,
    TI_COOLER,
    TI_BRIGHTER,
    TI_DARKER,
    TI_MORE_CONTRAST,
    TI_LESS_CONTRAST,
    TI_BLACK_AND_WHITE,
    TI_SEPIA,
    TI_FADED,
    TI_VIVID,
    TI_MUTED,
    TI_NIGHT_LIGHT,
    TI_GOLDEN_LIGHT,
    TI_FOGGY,
    TI_HAZE_REMOVED,
    TI_AUTUMN_COLOURS,
    TI_SNOW_LIGHT,
    TI_SUNSET_LIGHT,
    TI_TEAL_AND_ORANGE,
    TI_UNDERWATER,
    TI_SPRING_COLOURS,
    TI_MOODY,
    TI_CANDLE_LIGHT,
    TI_DREAMY,
    TI_INVERTED,
    TI_TONES
} ti_tone;

/* The words of the reasoning: "give the picture" + this. */
const char *ti_tone_phrase(ti_tone tone);

/* Whether the tone is one for pictures only: a scene has its own edit for night, fog or a season.
 */
bool ti_tone_for_photos_only(ti_tone tone);

/* N pixels of RGB u8; in and out may be the same. */
void ti_tone_apply(ti_tone tone, const uint8_t *in, uint8_t *out, size_t n);

#endif
