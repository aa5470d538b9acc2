//! The figures of the papers: `results/published/*.csv`.
//!
//! One file per paper, one figure per row: `id,where,metric,unit,value,note,use`. A
//! row is named by the file's name and its id: "escra/table-1/...".

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tidegate_workloads::{FileError, file};

use crate::error::Error;
use crate::scenario::layer::Location;
use crate::scenario::pieces::upward;

/// Where published figures are, below some folder.
fn folder() -> PathBuf {
    ["results", "published"].iter().collect()
}

/// One published figure. The other columns are for people.
#[derive(Clone, Debug, Deserialize)]
pub struct Figure {
    /// Its name within the file.
    pub id: String,
    /// The unit.
    pub unit: String,
    /// The value.
    pub value: f64,
    /// What the figure is to us where it is nothing to compare with: a parameter
    /// that scenarios set, a figure cited from elsewhere, or why it cannot be
    /// simulated.
    #[serde(default, rename = "use")]
    pub purpose: String,
}

/// The figures of one paper.
#[derive(Clone, Debug)]
pub struct Published {
    paper: String,
    figures: Vec<Figure>,
}

impl Published {
    /// The figures of the paper that the name `row` begins with, looked for
    /// from the folder of `scenario` upward; `asked` is where they are asked
    /// for.
    ///
    /// # Errors
    /// When there is no such file or it is wrong.
    pub fn find(scenario: &Path, row: &str, asked: &Location) -> Result<Published, FileError> {
        let (paper, _) = row.split_once('/').unwrap_or((row, ""));
        let name = folder().join(format!("{paper}.csv"));
        let found = upward(scenario)
            .into_iter()
            .map(|folder| folder.join(&name))
            .find(|path| path.is_file());
        match found {
            Some(path) => Published::read(&path, paper),
            None => Err(asked
                .error(format!("there are no published figures of `{paper}`"))
                .with_help(format!(
                    "expected a file {} above the scenario",
                    name.display()
                ))),
        }
    }

    /// The figures of all papers in the nearest folder of published figures, looked
    /// for from the folder of `scenario` upward.
    ///
    /// # Errors
    /// When there is none, or a file in it is wrong.
    pub fn all(scenario: &Path) -> Result<Vec<Published>, Error> {
        let found = upward(scenario)
            .into_iter()
            .map(|above| above.join(folder()))
            .find(|path| path.is_dir());
        let Some(found) = found else {
            return Err(Error::Usage(format!(
                "there is no folder {} above {}",
                folder().display(),
                scenario.display()
            )));
        };
        let refused = |error| Error::io("read", &found, &error);
        let mut papers = Vec::new();
        for entry in fs::read_dir(&found).map_err(refused)? {
            let path = entry.map_err(refused)?.path();
            if path.extension().is_some_and(|extension| extension == "csv")
                && let Some(paper) = path.file_stem().and_then(|stem| stem.to_str())
            {
                papers.push(Published::read(&path, paper)?);
            }
        }
        papers.sort_by(|a, b| a.paper.cmp(&b.paper));
        Ok(papers)
    }

    /// The figures by their full names, in the order of the file.
    pub fn figures(&self) -> impl Iterator<Item = (String, &Figure)> {
        self.figures
            .iter()
            .map(|figure| (self.name(figure), figure))
    }

    /// The paper's name: that of its file.
    pub fn paper(&self) -> &str {
        &self.paper
    }

    /// Reads the figures of `paper` from the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, a column is missing or a value is no number.
    pub fn read(path: &Path, paper: &str) -> Result<Published, FileError> {
        let text = file::read_text(path)?;
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let mut figures = Vec::new();
        for figure in reader.deserialize() {
            let figure: Figure = figure.map_err(|error| {
                let line = error.position().map(csv::Position::line);
                FileError {
                    line: line.and_then(|line| usize::try_from(line).ok()),
                    ..FileError::new(path, error.to_string())
                }
            })?;
            figures.push(figure);
        }
        Ok(Published {
            paper: paper.to_owned(),
            figures,
        })
    }

    /// The figure called `row`, or with the scenario's `prefix` before it.
    ///
    /// # Errors
    /// When there is none.
    pub fn figure(
        &self,
        row: &str,
        prefix: Option<&str>,
        asked: &Location,
    ) -> Result<(String, &Figure), FileError> {
        let mut names = vec![row.to_owned()];
        names.extend(prefix.map(|prefix| format!("{prefix}/{row}")));
        for name in &names {
            let found = self
                .figures
                .iter()
                .find(|figure| self.name(figure) == *name);
            if let Some(figure) = found {
                return Ok((name.clone(), figure));
            }
        }
        let known: Vec<String> = self
            .figures
            .iter()
            .map(|figure| self.name(figure))
            .collect();
        let error = asked.error(format!("there is no published figure `{row}`"));
        let near = names
            .iter()
            .find_map(|name| file::nearest(name, known.iter().map(String::as_str)));
        Err(error.with_help(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("see results/published/{}.csv for what there is", self.paper),
        }))
    }

    /// The names of all figures that begin with `prefix`.
    pub fn below(&self, prefix: &str) -> Vec<String> {
        let prefix = format!("{prefix}/");
        self.figures
            .iter()
            .map(|figure| self.name(figure))
            .filter(|name| name.starts_with(&prefix))
            .collect()
    }

    /// A figure's full name.
    fn name(&self, figure: &Figure) -> String {
        format!("{}/{}", self.paper, figure.id)
    }
}
