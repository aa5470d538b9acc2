//! Contrast after WCAG 2.1; distances as people without red or green cones see them
//! (Machado, Oliveira and Fernandes 2009, severity 1.0, in linear RGB), in CIELAB.

use super::*;

const LIGHT_PAGE: (u8, u8, u8) = (255, 255, 255);
const DARK_PAGE: (u8, u8, u8) = (22, 27, 34);

fn linear((red, green, blue): (u8, u8, u8)) -> [f64; 3] {
    [red, green, blue].map(|channel| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.04045 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        }
    })
}

fn times(matrix: [[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
}

fn contrast(a: (u8, u8, u8), b: (u8, u8, u8)) -> f64 {
    let luminance = |colour| {
        let [red, green, blue] = linear(colour);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn lab(rgb: [f64; 3]) -> [f64; 3] {
    let to_xyz = [
        [0.4124, 0.3576, 0.1805],
        [0.2126, 0.7152, 0.0722],
        [0.0193, 0.1192, 0.9505],
    ];
    let [x, y, z] = times(to_xyz, rgb.map(|channel| channel.clamp(0.0, 1.0)));
    let [x, y, z] = [x / 0.9505, y, z / 1.089].map(|share| {
        if share > 0.008_856 {
            share.cbrt()
        } else {
            7.787 * share + 16.0 / 116.0
        }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// How people see: all cones, no red ones, no green ones.
const EYES: [(&str, [[f64; 3]; 3]); 3] = [
    (
        "all cones",
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    ),
    (
        "no red",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "no green",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
];

fn distance(a: (u8, u8, u8), b: (u8, u8, u8), eyes: [[f64; 3]; 3]) -> f64 {
    let (a, b) = (lab(times(eyes, linear(a))), lab(times(eyes, linear(b))));
    let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

#[test]
fn every_colour_stands_out_from_the_page() {
    // WCAG 1.4.11 asks 3:1 of graphics.
    for hue in HUES {
        assert!(contrast(hue.light, LIGHT_PAGE) >= 3.0, "{}", hue.kind);
        assert!(contrast(hue.dark, DARK_PAGE) >= 3.0, "{}", hue.kind);
    }
}

#[test]
fn colours_are_told_apart_without_red_or_green() {
    // Ten is several times what is just noticed (2.3) in areas as small as lines.
    for (eyes, matrix) in EYES {
        for (index, a) in HUES.iter().enumerate() {
            for b in &HUES[index + 1..] {
                let (light, dark) = (
                    distance(a.light, b.light, matrix),
                    distance(a.dark, b.dark, matrix),
                );
                assert!(light >= 10.0, "{} {} {eyes}: {light:.1}", a.kind, b.kind);
                assert!(dark >= 10.0, "{} {} {eyes}: {dark:.1}", a.kind, b.kind);
            }
        }
    }
}
