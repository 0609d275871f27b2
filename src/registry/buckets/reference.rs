//! Ranges of bounds as the original Go metrics-server makes them, for the tests of their last bits.
//!
//! Made by a Go program, built with Go 1.19.8 and `client_golang` 1.14.0, that printed
//! `math.Float64bits` of what `prometheus.ExponentialBucketsRange(min, max, count)` returned on an
//! amd64 processor with FMA, for the documentation's example and for random ranges: as people write them,
//! from the whole span of floats, and with ends close together. Kept are 58 of 20,001; most come out
//! otherwise with libm's functions, and 24 of them without FMA. Go 1.20.14 and 1.26 printed the same.

/// Bits of min and max, count, bits of the last bound, and [`fold`] of all bounds.
pub(super) type Row = (u64, u64, i64, u64, u64);

/// One number that stands for all bits of all bounds and for their order.
pub(super) fn fold(bounds: &[f64]) -> u64 {
    bounds.iter().fold(0, |sum: u64, bound| sum.rotate_left(5) ^ bound.to_bits())
}

#[rustfmt::skip] // one range a line
pub(super) const ROWS: [Row; 58] = [
    (0x3ff0_0000_0000_0000, 0x4051_8000_0000_0000, 10, 0x4051_8000_0000_0002, 0xa017_ac92_7af6_0be5),
    (0x4185_6b3b_a7b2_90b9, 0x4352_2bad_daeb_3130, 20, 0x4352_2bad_daeb_312c, 0x1fdd_1155_87a6_972c),
    (0x490b_d268_b68e_6a3f, 0x6e66_1e92_7598_05f5, 8, 0x6e66_1e92_7598_05c7, 0x8edd_8573_dade_cbca),
    (0x3f5d_7dbf_487f_cb92, 0x408f_4000_0000_0000, 18, 0x408f_4000_0000_0004, 0x0853_50ca_88f2_2a77),
    (0x3fdd_ad8f_98a3_5d77, 0x3fdd_ad8f_9b28_de1c, 39, 0x3fdd_ad8f_9b28_de20, 0x6c96_8261_54c0_0183),
    (0x405d_748f_7022_a0dd, 0x405f_7c6d_c327_9de2, 9, 0x405f_7c6d_c327_9dde, 0x66c1_8926_2936_f94b),
    (0x3f68_9374_bc6a_7efa, 0x4085_e000_0000_0000, 24, 0x4085_e000_0000_0003, 0xe6de_f3e5_5d5f_0fd4),
    (0x4829_ee07_16de_4c35, 0x5aff_01c9_26fb_f29b, 37, 0x5aff_01c9_26fb_f217, 0xbd59_1329_1c4e_b23b),
    (0x4022_4226_014c_a04e, 0x4022_4226_0153_3132, 12, 0x4022_4226_0153_312f, 0x3f3a_1396_ecdf_5a63),
    (0x400c_cd27_25c7_6a5e, 0x400d_1a0d_5694_339a, 6, 0x400d_1a0d_5694_3399, 0x8e63_7fd3_e22e_3f20),
    (0x3ffc_fa31_2f0b_546a, 0x3ffc_fa31_2f0b_5a1a, 15, 0x3ffc_fa31_2f0b_5a0f, 0x56e7_c1ec_33f0_b600),
    (0x3ec1_f7ee_1ae7_badb, 0x405c_2e5d_7682_19f5, 22, 0x405c_2e5d_7682_19d0, 0xa5ab_f8c2_247f_addf),
    (0x3f60_624d_d2f1_a9fc, 0x4069_0000_0000_0000, 28, 0x4068_ffff_ffff_fff8, 0x615a_5324_c194_bc0c),
    (0x4003_660f_dae7_d775, 0x4003_6610_51af_bff2, 32, 0x4003_6610_51af_bfe3, 0x4501_a06c_d913_db8f),
    (0x3f9b_5f2c_bbe5_7572, 0x3f9b_5f3c_f2b6_4da7, 31, 0x3f9b_5f3c_f2b6_4dc0, 0x1f93_ab13_30ab_ae4e),
    (0x400f_5ef9_68ce_c337, 0x4019_9202_8d85_3e20, 34, 0x4019_9202_8d85_3e1d, 0xbe6c_69f1_1edd_60b9),
    (0x3ffb_bb8e_54b7_20d2, 0x3ffb_bb8f_456c_d512, 3, 0x3ffb_bb8f_456c_d512, 0x2e62_f304_3bd0_a04a),
    (0x3f49_8f1d_3ed5_27e5, 0x3f66_f006_8db8_bac7, 18, 0x3f66_f006_8db8_bace, 0xc7b7_4377_ae80_cdf7),
    (0x402e_0000_0000_0000, 0x40bb_5800_0000_0000, 37, 0x40bb_5800_0000_0016, 0x5aa1_8f2d_2ca4_5084),
    (0x3e33_8d34_f952_0b9a, 0x3ff2_7819_e755_6ab5, 34, 0x3ff2_7819_e755_6ab9, 0xbc65_6247_b737_de4d),
    (0x0945_fcdd_893a_310f, 0x41ac_d9f5_5118_0278, 21, 0x41ac_d9f5_5118_0359, 0xbcae_8b5d_d97f_0762),
    (0x41b0_2b3e_4493_f88e, 0x43f1_b503_d7de_3059, 583, 0x43f1_b503_d7de_3116, 0x04cd_8ebc_f92b_ffe2),
    (0x3fdb_ff8c_639d_b2da, 0x3fdb_ff8c_639e_667d, 15, 0x3fdb_ff8c_639e_667a, 0x1d0f_ab4c_e9dd_159d),
    (0x404c_a274_0b67_0e84, 0x404c_a274_0b67_0fd4, 5, 0x404c_a274_0b67_0fd4, 0x0d2b_8f1b_9492_6a31),
    (0x403c_7cde_daaf_4f4e, 0x403c_7cf5_3476_4917, 26, 0x403c_7cf5_3476_4927, 0x8140_41a5_7d35_b1dd),
    (0x4190_0cba_d871_5ae4, 0x42f0_d143_b96e_5c27, 586, 0x42f0_d143_b96e_5d0e, 0x6e4d_90d4_a10f_037e),
    (0x403d_36de_22ea_4bfb, 0x403d_36de_22ea_b7f2, 14, 0x403d_36de_22ea_b7e8, 0x1d66_e674_a48e_092c),
    (0x3f60_624d_d2f1_a9fc, 0x3f86_872b_020c_49ba, 4, 0x3f86_872b_020c_49b7, 0x523e_1779_50d2_263d),
    (0x3f61_dd9f_5d45_9835, 0x4069_1446_6113_92f0, 974, 0x4069_1446_6113_92f6, 0x6f7e_4d03_828b_6fc0),
    (0x4008_e972_1ad3_f3f3, 0x4008_ea1f_4893_fe45, 20, 0x4008_ea1f_4893_fe53, 0xa910_bb7d_23c2_d805),
    (0x4046_a5d2_b82e_34e1, 0x4046_a5d2_b82e_3b58, 5, 0x4046_a5d2_b82e_3b56, 0x5dc7_8b91_5022_5936),
    (0x3e7c_92cb_df73_a3d8, 0x3ed1_83f1_e994_09c2, 40, 0x3ed1_83f1_e994_09af, 0xb40e_19e5_6151_0d4b),
    (0x3f4c_3d34_74e3_8f90, 0x407e_3f69_7e92_b29d, 12, 0x407e_3f69_7e92_b29d, 0x5317_f9a9_70e5_bf01),
    (0x4007_5194_7ad9_95cd, 0x40e1_b4d8_d682_89f0, 13, 0x40e1_b4d8_d682_89f1, 0xaa98_87be_3d00_fb7b),
    (0x3f19_09ee_ec86_9533, 0x41a6_5485_55e8_9d68, 557, 0x41a6_5485_55e8_9df3, 0x3c5e_5b29_2859_49fb),
    (0x3fac_130d_5ff4_15c7, 0x3fac_13a0_cc6f_3888, 19, 0x3fac_13a0_cc6f_388a, 0xe1fe_898a_7450_d685),
    (0x419e_f0af_4fd6_bb05, 0x4293_f339_3fba_1657, 855, 0x4293_f339_3fba_17a8, 0xa3fb_6b5d_a679_0646),
    (0x4052_ae9a_2a6f_21f3, 0x4052_ae9a_2a70_a736, 33, 0x4052_ae9a_2a70_a735, 0x6e29_1064_4d21_09dd),
    (0x4169_d286_a3f1_700b, 0x43e0_2153_63a9_eece, 37, 0x43e0_2153_63a9_eeaa, 0x13dc_67f6_eeb5_1f36),
    (0x3fe5_7db4_c4dc_efa1, 0x3fe5_7db4_c4f8_9a55, 15, 0x3fe5_7db4_c4f8_9a4d, 0x0a54_2459_dc02_8c4f),
    (0x3fcf_9f9b_9eb3_621d, 0x3fcf_bd8d_1c6c_00cc, 675, 0x3fcf_bd8d_1c6b_fe6c, 0xf861_431a_3d50_373c),
    (0x419b_221e_313d_83d7, 0x4361_beb8_2586_93dd, 22, 0x4361_beb8_2586_93dc, 0x9fc6_a2b8_8274_6bfc),
    (0x400a_9b09_0de3_fbdf, 0x400a_9b09_0deb_8d4b, 7, 0x400a_9b09_0deb_8d4d, 0xc742_b20e_b292_a7bd),
    (0x3ff0_0000_0000_0000, 0x4011_3333_3333_3333, 3, 0x4011_3333_3333_3332, 0x8003_e964_a3f8_d7a5),
    (0x0ad3_20e4_f826_8d35, 0x184c_ee86_e961_7777, 6, 0x184c_ee86_e961_77d6, 0xfc11_8060_db33_0709),
    (0x39ea_aac7_c489_ed7c, 0x487c_97a0_aab9_06c2, 25, 0x487c_97a0_aab9_05ee, 0x4331_7be0_f79a_4f47),
    (0x3fd1_a4ba_02ce_0f92, 0x4050_04b4_8a29_ca3e, 17, 0x4050_04b4_8a29_ca42, 0x29e7_c0e2_bde4_9172),
    (0x3f43_a729_d774_5ac5, 0x40b0_b142_6b37_1c23, 32, 0x40b0_b142_6b37_1c2f, 0x9886_388f_b8f3_dfea),
    (0x3f9e_b851_eb85_1eb8, 0x3fa9_9999_9999_999a, 5, 0x3fa9_9999_9999_9999, 0x78d3_a5dd_a25b_821b),
    (0x3ff6_d809_672b_7d85, 0x3ff7_5e0b_1844_f7cb, 40, 0x3ff7_5e0b_1844_f7d3, 0x8274_eb52_a769_e742),
    (0x4028_0000_0000_0000, 0x408f_4000_0000_0000, 20, 0x408f_3fff_ffff_fff8, 0xf549_b12b_de4f_af96),
    (0x3eaf_a354_3a4a_ee6c, 0x404c_0710_be64_86f1, 21, 0x404c_0710_be64_86fe, 0x4116_7ca7_ac4f_e43a),
    (0x409c_2000_0000_0000, 0x41c1_e1a3_0000_0000, 3, 0x41c1_e1a2_ffff_ffff, 0x14b7_3e3d_fd46_6175),
    (0x3f9f_be76_c8b4_3958, 0x3fc3_3333_3333_3333, 7, 0x3fc3_3333_3333_3333, 0x2f9d_d3aa_74a2_af2a),
    (0x3f66_1e4f_765f_d8ae, 0x4069_0000_0000_0000, 3, 0x4069_0000_0000_0000, 0x24e0_466f_4bf3_7ffa),
    (0x3f1a_36e2_eb1c_432d, 0x3fae_b851_eb85_1eb8, 3, 0x3fae_b851_eb85_1eb9, 0xbbf7_2d84_c3b2_2162),
    (0x4000_0000_0000_0000, 0x400c_cccc_cccc_cccd, 4, 0x400c_cccc_cccc_cccb, 0x4d23_7ad7_1711_04e3),
    (0x3f60_624d_d2f1_a9fc, 0x3f80_624d_d2f1_a9fc, 2, 0x3f80_624d_d2f1_a9fc, 0xd38c_2bf7_8cc4_967b),
];
