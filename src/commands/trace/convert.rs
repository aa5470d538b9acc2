//! `tidegate trace convert`: a load for scenarios, or series per container, of a
//! published trace.

use std::fs::File;
use std::io::{BufWriter, Write};

use tidegate_workloads::trace::{
    self, Aggregate, Format, LoadOptions, Selection, Series, UsageOptions,
};

use crate::cli::{Aggregation, ConvertArgs, Target};
use crate::commands::print;
use crate::error::Error;
use crate::results::store;
use crate::results::summary::number;

/// Writes it.
pub(super) fn run(args: &ConvertArgs) -> Result<(), Error> {
    match args.to {
        Target::Load => load(args),
        Target::Usage => usage(args),
    }
}

fn selection(args: &ConvertArgs) -> Result<Selection, Error> {
    let pair = |filter: &String| {
        let (column, word) = filter
            .split_once('=')
            .ok_or_else(|| Error::Usage(format!("--filter {filter}: expected COLUMN=WORD")))?;
        Ok((column.to_owned(), word.to_owned()))
    };
    Ok(Selection {
        filters: args.filter.iter().map(pair).collect::<Result<_, Error>>()?,
        from: args.from,
        until: args.until,
    })
}

fn aggregate(args: &ConvertArgs) -> Option<Aggregate> {
    args.aggregate.map(|aggregate| match aggregate {
        Aggregation::Mean => Aggregate::Mean,
        Aggregation::Sum => Aggregate::Sum,
        Aggregation::Max => Aggregate::Max,
    })
}

fn load(args: &ConvertArgs) -> Result<(), Error> {
    if args.column.len() > 1 {
        let message = "a load is made of one --column; `--to usage` takes several";
        return Err(Error::Usage(message.to_owned()));
    }
    let options = LoadOptions {
        selection: selection(args)?,
        column: args.column.first().cloned(),
        aggregate: aggregate(args),
        step: args.step,
    };
    let made = trace::load(&args.trace.files, args.trace.format, &options)?;
    let rates = rates(args, made.format, &made.series)?;
    let step = made.series.step.scale(1.0 / args.speed);
    if rates.len() < 2 || step.0 == 0 {
        return Err(Error::Usage(format!(
            "the load has {} step of {step}, a workload needs two\n  help: take a shorter --step \
             or more of the trace",
            rates.len()
        )));
    }
    store::put_with(&args.out, |file| {
        let mut file = BufWriter::new(file);
        writeln!(file, "time_s,rate_per_s")?;
        for (index, rate) in (0u64..).zip(&rates) {
            // Multiples of the rounded step: what reads it asks for even steps.
            let time = (step * index).as_secs_f64();
            writeln!(file, "{},{}", number(time), number(*rate))?;
        }
        file.flush()
    })?;
    let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = rates.iter().copied().fold(0.0, f64::max);
    let out = args.out.display();
    print(&format!(
        "{out}: {} steps of {step}, {least:.3} to {largest:.3} calls per second, from {} of the \
         trace on\n  a workload uses it with: kind = \"trace\", file = \"{}\"",
        rates.len(),
        made.begins,
        args.out
            .file_name()
            .map_or(out.to_string(), |name| name.to_string_lossy().into_owned()),
    ));
    Ok(())
}

/// The values of a series as rates.
fn rates(args: &ConvertArgs, format: Format, series: &Series) -> Result<Vec<f64>, Error> {
    match (args.low, args.high) {
        (Some(low), Some(high)) if low <= high => Ok(series.onto(low, high)),
        (Some(low), Some(high)) => Err(Error::Usage(format!("--low {low} is above --high {high}"))),
        _ if format.has_rates() => Ok(series.values.clone()),
        _ => Err(Error::Usage(format!(
            "{} has no rates, only a shape\n  help: say what its least and its largest value are \
             to be, in calls per second: --low RATE --high RATE",
            format.name()
        ))),
    }
}

fn usage(args: &ConvertArgs) -> Result<(), Error> {
    if args.low.is_some() {
        let message = "--low and --high are for loads; `--to usage` writes values as they are";
        return Err(Error::Usage(message.to_owned()));
    }
    let options = UsageOptions {
        selection: selection(args)?,
        columns: args.column.clone(),
        aggregate: aggregate(args).unwrap_or(Aggregate::Mean),
        step: args.step,
        speed: args.speed,
    };
    let usage = trace::usage(&args.trace.files, args.trace.format, &options)?;
    store::put_with(&args.out, |file: &mut File| {
        let mut file = BufWriter::new(file);
        usage.write(&options, &mut file)?;
        file.flush()
    })?;
    print(&format!("{}: {} rows", args.out.display(), usage.rows()));
    Ok(())
}
