//! The cells of a run and how they are told apart: one column gives the colour, the
//! other columns in which cells differ give the panel.

use crate::results::read::Tidy;

/// Columns that give the colour, if cells differ in one: what an experiment compares.
const COMPARED: [&str; 2] = ["allocator", "manager"];

/// The cells of a run.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    /// The matrix columns.
    pub(super) columns: Vec<String>,
    /// Each cell's labels, in the order of the table.
    pub(super) labels: Vec<Vec<String>>,
    /// The columns in which cells differ.
    varying: Vec<usize>,
    /// The column that gives the colour.
    hue: Option<usize>,
}

/// Cells that differ in nothing but the colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Panel {
    /// What they have in common: labels of varying columns.
    pub(super) labels: Vec<String>,
    /// Their numbers.
    pub(super) cells: Vec<usize>,
}

impl Panel {
    /// What a panel of several is called.
    pub(super) fn title(&self) -> String {
        self.labels.join(" · ")
    }
}

impl Cells {
    /// The cells that `table` has lines of.
    pub(super) fn of(table: &Tidy) -> Cells {
        let mut labels: Vec<Vec<String>> = Vec::new();
        for line in &table.lines {
            // A cell's lines stand together: the last one is nearly always it.
            if labels.last() != Some(&line.labels) && !labels.contains(&line.labels) {
                labels.push(line.labels.clone());
            }
        }
        let differ = |&column: &usize| labels.iter().any(|cell| cell[column] != labels[0][column]);
        let varying: Vec<usize> = (0..table.columns.len()).filter(differ).collect();
        let named = |name: &&str| table.columns.iter().position(|column| column == *name);
        let compared: Vec<usize> = COMPARED.iter().filter_map(named).collect();
        let hue = compared
            .iter()
            .find(|column| varying.contains(column))
            .or(varying.last())
            .or(compared.first());
        Cells {
            columns: table.columns.clone(),
            hue: hue.copied(),
            labels,
            varying,
        }
    }

    /// The number of the cell with these labels.
    pub(super) fn find(&self, labels: &[String]) -> Option<usize> {
        self.labels.iter().position(|cell| cell == labels)
    }

    /// The name of the column that gives the colour.
    pub(super) fn hue_column(&self) -> Option<&str> {
        self.hue.map(|column| self.columns[column].as_str())
    }

    /// What gives a cell its colour; empty if nothing does.
    pub(super) fn hue(&self, cell: usize) -> &str {
        self.hue.map_or("", |column| &self.labels[cell][column])
    }

    /// All that give colours, each once.
    pub(super) fn hues(&self) -> Vec<&str> {
        let mut hues = Vec::new();
        for cell in 0..self.labels.len() {
            let hue = self.hue(cell);
            if !hue.is_empty() && !hues.contains(&hue) {
                hues.push(hue);
            }
        }
        hues
    }

    /// The names of the columns in which cells differ.
    pub(super) fn varying(&self) -> Vec<&str> {
        let name = |&column: &usize| self.columns[column].as_str();
        self.varying.iter().map(name).collect()
    }

    /// A cell's labels in the columns in which cells differ.
    pub(super) fn varying_labels(&self, cell: usize) -> Vec<&str> {
        let label = |&column: &usize| self.labels[cell][column].as_str();
        self.varying.iter().map(label).collect()
    }

    /// The cells by panel.
    pub(super) fn panels(&self) -> Vec<Panel> {
        self.grouped(|column| Some(column) != self.hue)
    }

    /// The cells by the first column that varies and gives no colour: all in one if
    /// there is but one such column, as then a group would be a panel.
    pub(super) fn groups(&self) -> Vec<Panel> {
        let mut others = self.varying.iter().filter(|&&c| Some(c) != self.hue);
        let first = others.next().filter(|_| others.next().is_some());
        self.grouped(|column| Some(&column) == first)
    }

    /// A cell's name within its group.
    pub(super) fn name_in_group(&self, group: &Panel, cell: usize) -> String {
        let labels = self.varying_labels(cell);
        let rest = labels
            .iter()
            .filter(|label| !group.labels.iter().any(|known| known == *label));
        let rest: Vec<&str> = rest.copied().collect();
        rest.join(" · ")
    }

    fn grouped(&self, kept: impl Fn(usize) -> bool) -> Vec<Panel> {
        let columns: Vec<usize> = self.varying.iter().copied().filter(|&c| kept(c)).collect();
        let mut panels: Vec<Panel> = Vec::new();
        for (cell, labels) in self.labels.iter().enumerate() {
            let own: Vec<&String> = columns.iter().map(|&column| &labels[column]).collect();
            match panels
                .iter_mut()
                .find(|panel| panel.labels.iter().eq(own.iter().copied()))
            {
                Some(panel) => panel.cells.push(cell),
                None => panels.push(Panel {
                    labels: own.into_iter().cloned().collect(),
                    cells: vec![cell],
                }),
            }
        }
        panels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::read::Line;

    fn table(columns: &[&str], cells: &[&[&str]]) -> Tidy {
        let owned = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect();
        Tidy {
            scenario: String::new(),
            columns: owned(columns),
            fields: Vec::new(),
            lines: cells
                .iter()
                .map(|labels| Line {
                    labels: owned(labels),
                    seed: 1,
                    values: Vec::new(),
                })
                .collect(),
        }
    }

    #[test]
    fn the_allocator_gives_the_colour_and_the_rest_the_panel() {
        let cells = Cells::of(&table(
            &["application", "workload", "allocator", "level"],
            &[
                &["media", "fixed", "escra", "1x"],
                &["media", "fixed", "tide", "1x"],
                &["media", "exp", "escra", "1x"],
                &["teastore", "exp", "tide", "1x"],
            ],
        ));
        assert_eq!(cells.hue_column(), Some("allocator"));
        assert_eq!(cells.hues(), ["escra", "tide"]);
        assert_eq!(cells.varying(), ["application", "workload", "allocator"]);
        let titles: Vec<String> = cells.panels().iter().map(Panel::title).collect();
        assert_eq!(
            titles,
            ["media · fixed", "media · exp", "teastore · exp"].map(str::to_owned)
        );
        assert_eq!(cells.panels()[0].cells, [0, 1]);
        let groups = cells.groups();
        assert_eq!(groups[0].cells, [0, 1, 2]);
        assert_eq!(cells.name_in_group(&groups[0], 2), "exp · escra");
    }

    #[test]
    fn without_allocators_the_last_column_that_varies_gives_the_colour() {
        let cells = Cells::of(&table(
            &["composition", "concurrent"],
            &[&["all", "1"], &["all", "4"]],
        ));
        assert_eq!(cells.hue_column(), Some("concurrent"));
        assert_eq!(cells.panels().len(), 1);
        assert_eq!(cells.panels()[0].title(), "");
    }
}
