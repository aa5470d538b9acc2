use std::path::Path;

use proptest::prelude::*;
use tidegate_core::Span;

use super::*;
use crate::FileError;

const MINUTE: Span = Span::from_secs(60);

/// The text as a file of its own.
fn file(text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// An error as it reads, with the file's name alone.
fn short(error: FileError) -> FileError {
    let path = Path::new("t.csv").to_owned();
    FileError { path, ..error }
}

fn read(format: Format, text: &[u8], step: Span) -> Result<Series, FileError> {
    let (_folder, path) = file(text);
    super::read(&path, format, None, step).map_err(short)
}

fn values(format: Format, text: &str, step: Span) -> Vec<f64> {
    match read(format, text.as_bytes(), step) {
        Ok(series) => series.values,
        Err(error) => panic!("{error}"),
    }
}

fn message(format: Format, text: &str) -> String {
    read(format, text.as_bytes(), MINUTE)
        .unwrap_err()
        .to_string()
}

#[test]
fn v2017_containers_are_averaged_by_the_minute() {
    let rows = "39600,1,20.0,30,0,1,1,1,1,1,1,1\n39600,2,40.0,30,0,1,1,1,1,1,1,1\n\
                39660,1,10.0,30,0,1,1,1,1,1,1,1\n";
    assert_eq!(
        values(Format::ContainerUsage2017, rows, MINUTE),
        [30.0, 10.0]
    );
    assert_eq!(
        values(Format::ContainerUsage2017, rows, Span::from_secs(120)),
        [20.0]
    );
}

/// Machine by machine, at irregular times, with cells left empty: as the rows
/// of the published file are.
#[test]
fn v2018_goes_machine_by_machine() {
    let rows = "m_1932,386640,41,92,,,43.04,33.08,5\nm_1932,386670,43,92,,,43.04,33.08,5\n\
                m_1932,386830,,92,,,43.05,33.08,3\nm_1932,386890,46,92,,,43.05,33.08,3\n\
                m_1933,386640,47,92,,,43.05,33.08,3\n";
    // 386640: (41 + 47) / 2, with 386670: 43; two minutes without a value; 46.
    let expected = [43.5, 43.5, 43.5, 43.5, 46.0];
    assert_eq!(values(Format::MachineUsage2018, rows, MINUTE), expected);
    let rows = "c_1,m_1,0,10,1,,,,,,\nc_2,m_1,10,30,1,,,,,,\n";
    assert_eq!(
        values(Format::ContainerUsage2018, rows, Span::from_secs(10)),
        [10.0, 30.0]
    );
}

#[test]
fn v2021_rates_are_summed_over_instances() {
    let rows = "timestamp,msname,msinstanceid,metric,value\n\
                60000,a,a1,HTTP_MCR,1.5\n60000,b,b1,HTTP_MCR,2.5\n60000,a,a1,HTTP_RT,90\n\
                120000,a,a1,HTTP_MCR,8\n";
    assert_eq!(values(Format::MicroservicesRates, rows, MINUTE), [4.0, 8.0]);
    // Over a longer step a rate stays a rate.
    assert_eq!(values(Format::MicroservicesRates, rows, MINUTE * 4), [6.0]);
}

#[test]
fn v2021_nodes_may_have_an_index_column() {
    let plain = "11280000,05b8,0.5,0.75\n11280000,701f,0.7,0.67\n11310000,05b8,0.25,0.6\n";
    let indexed = "999998,11280000,05b8,0.5,0.75\n999999,11280000,701f,0.7,0.67\n\
                   1000000,11310000,05b8,0.25,0.6\n";
    let headed = format!(",timestamp,nodeid,node_cpu_usage,node_memory_usage\n{indexed}");
    for text in [plain, indexed, &headed] {
        let values = values(Format::MicroservicesNodes, text, Span::from_secs(30));
        assert_eq!(values, [0.6, 0.25]);
    }
}

#[test]
fn an_error_has_its_line_cell_and_cause() {
    let nodes = |text: &str| message(Format::MicroservicesNodes, text);
    let row = "0,n,0.5,0.5\n";
    assert_eq!(
        nodes(&format!("{row}0,n,half,0.5\n")),
        "t.csv:2:3: column `node_cpu_usage`: \"half\" is not a number"
    );
    assert_eq!(
        nodes(&format!("9,{row}9,0,n,NaN,0.5\n")),
        "t.csv:2:4: column `node_cpu_usage`: \"NaN\" is not a number"
    );
    assert_eq!(
        nodes("0,n,-0.5,0.5\n"),
        "t.csv:1:3: column `node_cpu_usage`: \"-0.5\" is negative"
    );
    assert_eq!(
        nodes("0,n,inf,0.5\n"),
        "t.csv:1:3: column `node_cpu_usage`: \"inf\" is too large"
    );
    assert_eq!(
        nodes(&format!("{row}{row}\"0,n\n")),
        "t.csv:3:3: the row has 2 columns, expected 4"
    );
    assert_eq!(
        nodes(",n,0.5,0.5\n"),
        "t.csv:1:1: column `timestamp`: \"\" is empty"
    );
    assert_eq!(
        nodes(&format!("{row}999999999999,n,0.5,0.5\n")),
        "t.csv:2:1: column `timestamp`: \"999999999999\" lies more than 45000000s from the first row's time"
    );
    assert_eq!(nodes(""), "t.csv:1:1: the file is empty");
    let long = format!("{row}{}", "9".repeat(rows::MAX_LINE_BYTES + 1));
    assert_eq!(nodes(&long), "t.csv:2:1: the row is longer than 64 KiB");
    let binary = read(
        Format::MicroservicesNodes,
        b"0,n,0.5,0.5\n0,\xff,1,1\n",
        MINUTE,
    );
    assert_eq!(
        binary.unwrap_err().to_string(),
        "t.csv:2:2: the row is not UTF-8 text"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        text in "([0-9]{0,13}|[a-z.\",-]{0,3}|[0-9.]{0,4}|[,\n\r]){0,80}|\\PC*",
        step in 1u64..1_000,
    ) {
        for format in [Format::MachineUsage2018, Format::MicroservicesNodes] {
            if let Ok(series) = read(format, text.as_bytes(), Span::from_secs(step)) {
                prop_assert!(!series.values.is_empty());
                prop_assert!(series.values.iter().all(|value| value.is_finite() && *value >= 0.0));
            }
        }
    }

    /// Rows come in any order: what is read is the same.
    #[test]
    fn the_order_of_rows_does_not_matter(
        rows in proptest::collection::vec((0u32..100, 0u32..50), 1..40).prop_shuffle(),
    ) {
        let text = |rows: &[(u32, u32)]| {
            let row = |(time, value): &(u32, u32)| format!("{}0,n,{value},0\n", time * 3_000);
            rows.iter().map(row).collect::<String>()
        };
        let mut sorted = rows.clone();
        sorted.sort_unstable();
        prop_assert_eq!(
            values(Format::MicroservicesNodes, &text(&rows), MINUTE),
            values(Format::MicroservicesNodes, &text(&sorted), MINUTE)
        );
    }
}
