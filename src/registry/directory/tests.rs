use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::metric::{BucketParams, Hops, Kind, Label, Op, Sample};
use crate::registry::SeriesLimits;
use crate::registry::local::LocalRegistry;
use crate::registry::mailbox::Mailboxes;
use crate::registry::worker_time::WorkerTime;

/// Batches from one new cell to more than there are entries, so that each way of merging is taken.
#[test]
fn entries_are_in_order_with_all_cells_however_many_come_at_once() {
    const WORKERS: usize = 2;
    let registry = Arc::new(Registry::new(SeriesLimits::unlimited(WORKERS), |_| false));
    let mailboxes = Arc::new(Mailboxes::new(WORKERS));
    let local = |worker| LocalRegistry::new(worker, Arc::clone(&registry), Arc::clone(&mailboxes));
    let mut locals: Vec<LocalRegistry> = (0..WORKERS).map(local).collect();
    let mut directory = Directory::new(Arc::clone(&registry));
    let mut cells: BTreeMap<String, [bool; WORKERS]> = BTreeMap::new();
    let mut state = 1_u64;
    let batches: &[usize] =
        if cfg!(miri) { &[1, 20, 3, 12] } else { &[1, 20, 3, 200, 9, 15, 8, 30, 1_000, 12, 40] };
    for &batch in batches {
        for _ in 0..batch {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (value, worker) =
                (format!("{:03x}", state >> 53), usize::from(state & (1 << 40) > 0));
            let labels = [Label { name: "l", value: &value }];
            let sample = Sample {
                op: Op::Inc,
                name: "n",
                labels: &labels,
                help: "",
                value: 1.0,
                buckets: BucketParams::default(),
                timestamp: None,
                index: "",
                hops: Hops::default(),
            };
            locals[worker].count(Kind::Counter, &sample, &[], 1).expect("there is no limit");
            cells.entry(format!("l=\"{value}\"")).or_default()[worker] = true;
        }
        directory.merge_new_cells();
        let entries = directory.views["n"].series();
        let shown: Vec<_> = entries
            .iter()
            .map(|entry| {
                let mut owners = [false; WORKERS];
                entry.cells().iter().for_each(|cell| owners[cell.worker()] = true);
                (String::from_utf8(entry.text().to_vec()).expect("ASCII"), owners)
            })
            .collect();
        assert_eq!(
            shown,
            cells.clone().into_iter().collect::<Vec<_>>(),
            "after a batch of {batch}"
        );
    }
}

/// What is added counts from a set that a page does not know of yet, since it began before the set's worker had told.
#[test]
fn what_is_added_to_a_set_that_is_not_merged_yet_counts_from_it() {
    let registry = Arc::new(Registry::new(SeriesLimits::unlimited(2), |_| false));
    let mailboxes = Arc::new(Mailboxes::new(2));
    let local = |worker| LocalRegistry::new(worker, Arc::clone(&registry), Arc::clone(&mailboxes));
    let (mut setter, mut adder) = (local(0), local(1));
    let mut directory = Directory::new(Arc::clone(&registry));
    let sample = |op, value| Sample {
        op,
        name: "n",
        labels: &[],
        help: "",
        value,
        buckets: BucketParams::default(),
        timestamp: None,
        index: "",
        hops: Hops::default(),
    };
    let time = WorkerTime::new(1);
    adder.add_to_gauge(&sample(Op::Add, 2.0), &[], &time).expect("there is no limit");
    directory.merge_new_cells();
    setter.count(Kind::Gauge, &sample(Op::Set, 100.0), &[], 9).expect("there is no limit");
    adder.add_to_gauge(&sample(Op::Add, 1.0), &[], &time).expect("there is no limit");
    for _ in 0..2 {
        let entry = &directory.views["n"].series()[0];
        assert_eq!(entry.number(), Number::Float(101.0));
        directory.merge_new_cells();
    }
}
